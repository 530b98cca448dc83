"""What several test modules share: oracles, toy problems, networks, files on disk."""
