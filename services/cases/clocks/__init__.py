"""The clocks of cases, negotiations and contracts: a pure function of facts, rules and the calendar."""
