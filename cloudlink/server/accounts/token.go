package accounts

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// Tokens are text of one kind:
//
//	tms_ or tmk_, then base32 of account (16 bytes) and secret (32 random bytes)
//
// The prefix says whether it is a session or an API key, to people and to programs that search for lost secrets.
const (
	sessionPrefix = "tms_"
	keyPrefix     = "tmk_"
	secretSize    = 32
)

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken returns a token and what is stored of it.
func (a *Accounts) newToken(prefix string, account crdt.ObjectID) (token string, stored []byte, err error) {
	secret, err := a.bytes(secretSize)
	if err != nil {
		return "", nil, err
	}
	token = prefix + tokenText.EncodeToString(append(account[:], secret...))
	return token, tokenHash(token), nil
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// tokenAccount returns the prefix and the account that a token names; ok is false for what no token looks like.
func tokenAccount(token string) (prefix string, account crdt.ObjectID, ok bool) {
	if len(token) != len(sessionPrefix)+tokenText.EncodedLen(len(account)+secretSize) {
		return "", account, false
	}
	prefix, text := token[:len(sessionPrefix)], token[len(sessionPrefix):]
	b, err := tokenText.DecodeString(text)
	if err != nil || strings.ToLower(text) != text {
		return "", account, false
	}
	copy(account[:], b)
	return prefix, account, prefix == sessionPrefix || prefix == keyPrefix
}
