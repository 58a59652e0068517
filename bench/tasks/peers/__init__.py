"""What bench/tasks/compare puts side by side: what drives and measures each, and the programs of the peers' own side."""
