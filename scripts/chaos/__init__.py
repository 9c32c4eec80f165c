"""The proof that the fleet loses nothing: faults by a seeded schedule, and a judge at the end."""
