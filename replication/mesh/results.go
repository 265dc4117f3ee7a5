package mesh

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Answer says what came of dialling an address.
type Answer uint8

// The answers.
const (
	AnswerLinked        Answer = 1 + iota // a till of the shop: there is a link to it, made here or otherwise
	AnswerNone                            // no connection
	AnswerOtherTill                       // a till of the shop, but not the one looked for
	AnswerOtherShop                       // a till of another shop
	AnswerUnknownKey                      // its key is not in the roster here, or is no key of a till
	AnswerKeyRefused                      // it does not take this till's key for one of the shop
	AnswerRemoved                         // it says that this till was removed from the shop
	AnswerOtherProtocol                   // it refused the protocol of links: a till program of another version
	AnswerNoTill                          // something that is no till
	AnswerBroken                          // the connection broke off, or stayed silent, before it was known who is there
)

// DialResult is what came of dialling an address the last time.
type DialResult struct {
	Answer Answer
	Till   crdt.TillID // who answered, if it proved its key
	At     time.Time   // on the clock of the configuration
	Err    error       // nil if linked
}

// The TLS alerts by which a till says why it refuses, before its key is shown. They are part of the protocol, see the package
// comment.
const (
	alertBadCertificate   tls.AlertError = 42
	alertProtocolVersion  tls.AlertError = 70
	alertUnrecognizedName tls.AlertError = 112
	alertNoProtocol       tls.AlertError = 120
)

// errToldRemoved ends a connection to a till that says that this one was removed.
var errToldRemoved = errors.New("the till there says that this one was removed from the shop")

// answerOf says what the error of a dial means.
func answerOf(err error) Answer {
	var noTLS tls.RecordHeaderError
	alert, refused := alertOf(err)
	switch {
	case err == nil, errors.Is(err, errNotChosen), errors.Is(err, errSelf):
		return AnswerLinked
	case errors.Is(err, errToldRemoved):
		return AnswerRemoved
	case errors.Is(err, errOtherTill):
		return AnswerOtherTill
	case errors.Is(err, errUnknownKey), errors.Is(err, errRemoved):
		return AnswerUnknownKey
	case errors.Is(err, errWrongProtocol), errors.As(err, &noTLS), refused && alert == alertProtocolVersion.Error():
		return AnswerNoTill
	case refused && alert == alertBadCertificate.Error():
		return AnswerKeyRefused
	case refused && alert == alertUnrecognizedName.Error():
		return AnswerOtherShop
	case refused && alert == alertNoProtocol.Error():
		return AnswerOtherProtocol
	case errors.Is(err, errNoConnection):
		return AnswerNone
	}
	return AnswerBroken
}

// alertOf returns the text of the TLS alert that the other side sent.
func alertOf(err error) (text string, ok bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return "", false
	}
	return op.Err.Error(), true
}

// errNoConnection marks a dial that reached nobody.
var errNoConnection = errors.New("no connection")

// note remembers what came of dialling an address, and tells who says that this till was removed. A dial that this side gave
// up says nothing.
func (s *Links) note(addr string, till crdt.TillID, err error) {
	r := DialResult{Answer: answerOf(err), Till: till, At: s.cfg.Now(), Err: err}
	s.mu.Lock()
	if _, known := s.mu.results[addr]; !known && len(s.mu.results) >= maxProven {
		clear(s.mu.results)
	}
	s.mu.results[addr] = r
	s.mu.Unlock()
	if r.Answer == AnswerRemoved && s.cfg.ToldRemoved != nil {
		s.cfg.ToldRemoved(till)
	}
}

// LastDial returns what came of dialling an address ("host:port" as in a [Target]) the last time; ok is false if it was not
// dialled yet.
func (s *Links) LastDial(addr string) (r DialResult, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok = s.mu.results[addr]
	return r, ok
}

// farewellTime bounds how long a till that was removed may take to hear why it is refused.
const farewellTime = time.Second

// tellRemoved says to a till which has proved its key that it was removed, and waits a moment until it has read that: a
// connection closed with bytes unread would take the word back.
func (s *Links) tellRemoved(conn *tls.Conn) {
	err := conn.SetDeadline(time.Now().Add(farewellTime))
	if err == nil {
		_, err = conn.Write([]byte{byteRemoved})
	}
	if err == nil {
		err = conn.CloseWrite()
	}
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(conn, 64))
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.cfg.Log.Debug("a removed till may not have heard why it is refused", "from", conn.RemoteAddr().String(), "error", err)
	}
}
