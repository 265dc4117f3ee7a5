package book

// Held counts the documents in memory, for tests.
func Held(b *Book) int { return len(b.tabs) + len(b.lines) + len(b.leaves) }
