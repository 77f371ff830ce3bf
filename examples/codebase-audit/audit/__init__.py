"""The parts of the rehearsal: what a conversation says so far, what is counted and how, and the texts written of it."""
