package pairing

import (
	"fmt"
	"time"
)

// Kinds of messages inside the channel: the first byte of the plain text. Append, never reuse.
const (
	kindRequest byte = 1 // new till -> inviting till
	kindAnswer  byte = 2 // inviting till -> new till
	kindDone    byte = 3 // new till -> inviting till, no fields

	// Of six digits.
	kindNonce   byte = 4 // till of the shop -> new till, 32 bytes
	kindReveal  byte = 5 // new till -> till of the shop, 32 bytes
	kindWaiting byte = 6 // till of the shop -> new till, no fields
)

// encodeRequest returns the one encoding of a request, fields in fixed order.
func encodeRequest(r Request) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	e := newEncoder(kindRequest)
	fields := 5
	if r.Mode != "" {
		fields++
	}
	if !r.Replaces.IsZero() {
		fields++
	}
	e.mapLen(fields)
	e.key("k")
	e.bytes(r.DeviceKey)
	e.key("n")
	e.text(r.Name)
	e.key("r")
	e.bytes(r.Replica[:])
	e.key("t")
	e.int(r.WallClock.UnixMilli())
	e.key("v")
	e.text(r.Version)
	if r.Mode != "" {
		e.key("m")
		e.text(r.Mode)
	}
	if !r.Replaces.IsZero() {
		e.key("o")
		e.bytes(r.Replaces[:])
	}
	return e.finish(maxRequest)
}

// encodeAnswer returns the one encoding of an answer, fields in fixed order.
func encodeAnswer(a Answer) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	e := newEncoder(kindAnswer)
	if !a.Accepted {
		e.mapLen(3)
	} else if len(a.GossipKeys) == 0 {
		e.mapLen(9)
	} else {
		e.mapLen(10)
	}
	e.key("ok")
	e.bool(a.Accepted)
	e.key("c")
	e.text(a.Code)
	e.key("x")
	e.text(a.Text)
	if !a.Accepted {
		return e.finish(maxAnswer)
	}
	e.key("s")
	e.bytes(a.Shop[:])
	e.key("n")
	e.text(a.ShopName)
	e.key("k")
	e.bytes(a.ShopKey[:])
	e.key("a")
	e.arrayLen(len(a.Admission))
	for _, piece := range a.Admission {
		e.bytes(piece)
	}
	e.key("p")
	e.arrayLen(len(a.Peers))
	for _, peer := range a.Peers {
		e.text(peer)
	}
	e.key("l")
	e.int(int64(a.LinkPort))
	if len(a.GossipKeys) > 0 {
		e.key("g")
		e.arrayLen(len(a.GossipKeys))
		for _, k := range a.GossipKeys {
			e.arrayLen(2)
			e.bytes(k.Key[:])
			e.int(int64(k.Revocations))
		}
	}
	return e.finish(maxAnswer)
}

func encodeDone() []byte { return []byte{kindDone} }

// decodeRequest reads foreign bytes.
func decodeRequest(b []byte) (Request, error) {
	var r Request
	d, err := newDecoder(b, kindRequest)
	if err != nil {
		return Request{}, err
	}
	seen, err := d.fields(func(key string) error {
		switch key {
		case "k":
			r.DeviceKey = make([]byte, 32)
			return d.exactly(r.DeviceKey)
		case "n":
			return d.text(&r.Name, 4*MaxName)
		case "r":
			return d.exactly(r.Replica[:])
		case "t":
			ms, err := d.integer(0, maxMillis)
			r.WallClock = time.UnixMilli(ms).UTC()
			return err
		case "v":
			return d.text(&r.Version, 4*MaxVersion)
		case "m":
			return d.text(&r.Mode, 4*MaxMode)
		case "o":
			return d.till(&r.Replaces)
		}
		return errUnknownField
	})
	if err != nil {
		return Request{}, err
	}
	if err := seen.need("k", "n", "r", "t", "v"); err != nil {
		return Request{}, err
	}
	if err := r.check(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// decodeAnswer reads foreign bytes.
func decodeAnswer(b []byte) (Answer, error) {
	var a Answer
	d, err := newDecoder(b, kindAnswer)
	if err != nil {
		return Answer{}, err
	}
	seen, err := d.fields(func(key string) error {
		switch key {
		case "ok":
			return d.bool(&a.Accepted)
		case "c":
			return d.text(&a.Code, MaxCode)
		case "x":
			return d.text(&a.Text, 4*MaxText)
		case "s":
			return d.exactly(a.Shop[:])
		case "n":
			return d.text(&a.ShopName, 4*MaxName)
		case "k":
			return d.exactly(a.ShopKey[:])
		case "a":
			return d.list(MaxAdmission, func() error {
				piece, err := d.bytes(maxAnswer)
				a.Admission = append(a.Admission, piece)
				return err
			})
		case "p":
			return d.list(MaxPeers, func() error {
				var peer string
				err := d.text(&peer, MaxPeer)
				a.Peers = append(a.Peers, peer)
				return err
			})
		case "l":
			port, err := d.integer(1, 65535)
			a.LinkPort = uint16(port)
			return err
		case "g":
			return d.list(MaxKeys, func() error {
				key, err := d.gossipKey()
				a.GossipKeys = append(a.GossipKeys, key)
				return err
			})
		}
		return errUnknownField
	})
	if err != nil {
		return Answer{}, err
	}
	if err := seen.need("ok", "c", "x"); err != nil {
		return Answer{}, err
	}
	if !a.Accepted { // nothing of a shop that declined shall be taken for given
		a = Answer{Code: a.Code, Text: a.Text}
	} else if err := seen.need("s", "n", "k", "a", "p", "l"); err != nil {
		return Answer{}, err
	}
	if err := a.check(); err != nil {
		return Answer{}, err
	}
	return a, nil
}

func decodeDone(b []byte) error {
	if len(b) != 1 || b[0] != kindDone {
		return fmt.Errorf("%w: expected the last message of the new till", ErrMalformed)
	}
	return nil
}

// encodeNonce is a nonce or the reveal of one.
func encodeNonce(kind byte, n nonce) []byte { return append([]byte{kind}, n[:]...) }

func decodeNonce(b []byte, kind byte) (nonce, error) {
	if len(b) != 1+nonceLen || b[0] != kind {
		return nonce{}, fmt.Errorf("%w: expected %d bytes of kind %d", ErrMalformed, 1+nonceLen, kind)
	}
	return nonce(b[1:]), nil
}

func encodeWaiting() []byte { return []byte{kindWaiting} }

func decodeWaiting(b []byte) error {
	if len(b) != 1 || b[0] != kindWaiting {
		return fmt.Errorf("%w: expected the word that the request waits", ErrMalformed)
	}
	return nil
}
