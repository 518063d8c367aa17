"""What a run leaves behind: records, the mailbox, the ring, the store on disk."""
