"""Where rows come from: landing folders, databases, APIs, brokers. Each connector hands what it reads to the validator."""
