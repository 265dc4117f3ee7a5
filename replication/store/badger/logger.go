package badger

import (
	"fmt"
	"log/slog"
)

// logger hands Badger's lines to slog. Badger's own debug lines are several for each commit, so they are dropped
// before they are formatted; its news (tables, compactions) is debug to us.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(format string, args ...any)   { l.write(l.log.Error, format, args) }
func (l logger) Warningf(format string, args ...any) { l.write(l.log.Warn, format, args) }
func (l logger) Infof(format string, args ...any)    { l.write(l.log.Debug, format, args) }
func (l logger) Debugf(string, ...any)               {}

func (l logger) write(level func(string, ...any), format string, args []any) {
	level("badger", "text", plain(fmt.Sprintf(format, args...)))
}
