"""What a service keeps of the registry's facts: areas, enterprises, their moves and closures."""
