"""Finished runs beside each other: paired differences, likeness, the leaderboard."""
