"""What this service keeps of persons, encrypted: who they are, which entries name them, who has read it, and how they are erased."""
