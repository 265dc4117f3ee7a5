package mesh

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// logQuiet is how long lines of one kind are held back after one was written: junk on the network makes a line
	// per packet.
	logQuiet = 30 * time.Second
	// logKinds bounds the kinds remembered; the rest share one.
	logKinds = 64
)

// gossipLog is the io.Writer for memberlist's log lines. Debug lines are dropped, the first line of each kind passes
// and then one in 30 s, which says how many were held back.
type gossipLog struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*logKind
}

type logKind struct {
	last time.Time
	held int
}

// Write takes one line as the standard logger writes it without prefix, such as "[WARN] memberlist: text".
func (w *gossipLog) Write(line []byte) (int, error) {
	level, text := slog.LevelInfo, strings.TrimSpace(string(line))
	for _, l := range []struct {
		tag   string
		level slog.Level
	}{
		{"[DEBUG]", slog.LevelDebug}, {"[INFO]", slog.LevelInfo}, {"[WARN]", slog.LevelWarn},
		{"[ERROR]", slog.LevelError}, {"[ERR]", slog.LevelError}, {"Err:", slog.LevelError},
	} {
		if rest, ok := strings.CutPrefix(text, l.tag); ok {
			level, text = l.level, rest
			break
		}
	}
	if level == slog.LevelDebug {
		return len(line), nil
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "memberlist: ")
	w.write(level, "gossip", kindOf(text), "text", text)
	return len(line), nil
}

// note writes a line of our own under the same limit.
func (w *gossipLog) note(message, kind string, attributes ...any) {
	w.write(slog.LevelWarn, message, message+kind, attributes...)
}

func (w *gossipLog) write(level slog.Level, message, kind string, attributes ...any) {
	held, ok := w.pass(kind)
	if !ok {
		return
	}
	if held > 0 {
		attributes = append(attributes, "held_back", held)
	}
	w.log.Log(context.Background(), level, message, attributes...)
}

// pass reports whether a line of this kind may be written now, and how many were held back before it.
func (w *gossipLog) pass(kind string) (held int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.kinds[kind]
	if k == nil {
		if len(w.kinds) >= logKinds {
			kind = ""
			k = w.kinds[kind]
		}
		if k == nil {
			k = &logKind{}
			w.kinds[kind] = k
		}
	}
	now := w.now()
	if !k.last.IsZero() && now.Sub(k.last) < logQuiet {
		k.held++
		return 0, false
	}
	held, k.held, k.last = k.held, 0, now
	return held, true
}

// kindOf returns the first three words, which name what happened; names and addresses follow later or are few.
func kindOf(text string) string {
	words := strings.Fields(text)
	return strings.Join(words[:min(len(words), 3)], " ")
}
