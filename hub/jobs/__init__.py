"""What runs when.  Every job is a short idempotent function whose state lives in the database.

`work.step` does one of them and says when the next is due; `runner` calls it in this process.  An
engine on many machines calls the same functions: nothing here remembers anything between two calls.
"""
