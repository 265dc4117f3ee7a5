package server

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

const (
	keepTime = 24 * time.Hour // of an answer
	// runTime is how long a request that did not end keeps others with its key waiting: its server is gone then.
	runTime = requestTime + writeTime
)

// replyID names a kept answer: of one caller, under one key, to one request. An answer may hold a secret that is shown
// once, so it is kept encrypted with a key that only the caller's token gives; the database holds hashes of it only.
type replyID struct {
	caller, reply, request [32]byte
	seal                   [32]byte
}

func newReplyID(proof, key string, request [32]byte) replyID {
	return replyID{
		caller: httpapi.Digest([]byte("caller"), []byte(proof)), reply: httpapi.Digest([]byte("reply"), []byte(proof), []byte(key)),
		request: httpapi.Digest([]byte("request"), []byte(proof), []byte(key), request[:]), seal: httpapi.Digest([]byte("seal"), []byte(proof), []byte(key), request[:]),
	}
}

// reserve takes the place of a request; mine is false if another one has it: then kept is its answer, with status 0 while
// it runs. A key that was used for another request is a problem.
func (s *Server) reserve(ctx context.Context, id replyID) (kept reply, mine bool, err error) {
	err = s.o.DB.Tx(ctx, func(tx *database.Tx) error {
		now := s.now()
		kept, mine = reply{}, false
		if _, err := tx.Exec(ctx, `DELETE FROM replies WHERE caller = ? AND reply = ? AND until <= ?`, id.caller[:], id.reply[:], now.UnixMilli()); err != nil {
			return fmt.Errorf("forget an old answer: %w", err)
		}
		res, err := tx.Exec(ctx, `INSERT INTO replies (caller, reply, request, status, body, until) VALUES (?, ?, ?, 0, ?, ?)
			ON CONFLICT (caller, reply) DO NOTHING`, id.caller[:], id.reply[:], id.request[:], []byte{}, now.Add(runTime).UnixMilli())
		if err != nil {
			return fmt.Errorf("begin a request with an idempotency key: %w", err)
		}
		n, err := res.RowsAffected()
		if mine = n == 1; mine || err != nil {
			return err
		}
		var request, body []byte
		err = tx.QueryRow(ctx, `SELECT request, status, body FROM replies WHERE caller = ? AND reply = ?`, id.caller[:], id.reply[:]).Scan(&request, &kept.status, &body)
		if errors.Is(err, sql.ErrNoRows) { // it was forgotten just now: look again
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up a kept answer: %w", err)
		}
		if !bytes.Equal(request, id.request[:]) {
			return newProblem(http.StatusUnprocessableEntity, httpapi.CodeKeyReused, "a new request needs a new key", "this Idempotency-Key was used for another request")
		}
		if kept.status != 0 {
			kept.body, err = unseal(id.seal, body)
		}
		return err
	})
	return kept, mine, err
}

// store keeps the answer of a request that has its place.
func (s *Server) store(ctx context.Context, id replyID, rep reply) error {
	sealed, err := seal(id.seal, rep.body)
	if err != nil {
		return err
	}
	return s.o.DB.Tx(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE replies SET status = ?, body = ?, until = ? WHERE caller = ? AND reply = ? AND request = ?`,
			rep.status, sealed, s.now().Add(keepTime).UnixMilli(), id.caller[:], id.reply[:], id.request[:])
		return err
	})
}

// drop gives the place of a request back.
func (s *Server) drop(ctx context.Context, id replyID) error {
	return s.o.DB.Tx(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM replies WHERE caller = ? AND reply = ? AND request = ? AND status = 0`, id.caller[:], id.reply[:], id.request[:])
		return err
	})
}

// sweepReplies removes answers that were kept long enough.
func (s *Server) sweepReplies(ctx context.Context) error {
	return s.o.DB.Tx(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM replies WHERE until <= ?`, s.now().UnixMilli())
		return err
	})
}

// seal encrypts an answer; a random nonce comes first.
func seal(key [32]byte, body []byte) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, body, nil), nil
}

func unseal(key [32]byte, sealed []byte) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("kept answer: it is too short")
	}
	body, err := aead.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return nil, fmt.Errorf("kept answer: %w", err)
	}
	return body, nil
}

func sealer(key [32]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("keep an answer: %w", err)
	}
	return cipher.NewGCM(block)
}
