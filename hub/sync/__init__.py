"""How records move, a file a step.  `hub.jobs.work` joins the steps; they do not call one another.

pull    links → references → match → merge (policy, conflicts) → journal → links, quarantine
push    compose (links, references) → intents → send → take what was stored → close the intents
sweep   what a proven complete read did not meet is gone
journal the one door: every change of canonical data, in one transaction

Nothing here reads a clock, draws a random number, makes an id or starts a thread: `flow.Env` gives
all of it.  No remote call is made inside a transaction.
"""
