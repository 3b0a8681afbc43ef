"""For us and for authors of connectors and modules: contract suites, fake systems, a settable clock."""
