package main

import "log/slog"

// logger logs to stderr: lines for people, JSON if asked to.
func (c *console) logger(level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if c.json {
		return slog.New(slog.NewJSONHandler(c.err, options))
	}
	return slog.New(slog.NewTextHandler(c.err, options))
}
