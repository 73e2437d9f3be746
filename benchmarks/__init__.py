"""What Larder costs, measured beside what does the same work. Run by hand on an idle machine; no test waits for it."""
