package serverclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Entry is a receipt or closing in a list.
type Entry struct {
	ID          string `json:"id"`
	Number      string `json:"number"`
	Series      string `json:"series"`
	N           int64  `json:"n"`
	Till        string `json:"till"`
	ClosedAt    string `json:"closed_at"`
	BusinessDay string `json:"business_day"`
	Gross       int64  `json:"gross"`
	Currency    string `json:"currency"`
	Hash        string `json:"hash"`
	Leaf        int64  `json:"leaf"`
	ArchivedAt  string `json:"archived_at"`
	Verified    bool   `json:"verified"`
}

// Document is one receipt or closing.
type Document struct {
	Entry     Entry           `json:"entry"`
	Document  json.RawMessage `json:"document,omitempty"`
	Canonical []byte          `json:"canonical"`
	Signature string          `json:"signature"`
	Key       string          `json:"key"`
	Findings  []Finding       `json:"findings"`
}

// Finding is something about a document that does not fit.
type Finding struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Filter says which documents are listed; empty members say nothing.
type Filter struct {
	Series, From, To string
	After            string
	Limit            int // 0: 100
}

func (f Filter) query() url.Values {
	q := pageQuery(f.After, f.Limit)
	set(q, "series", f.Series)
	set(q, "from", f.From)
	set(q, "to", f.To)
	return q
}

// Receipts lists receipts of a shop, the newest first.
func (c *Client) Receipts(ctx context.Context, shop string, f Filter) (out Page[Entry], err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/receipts"), f.query(), nil, &out)
	return out, err
}

// Receipt returns a receipt by its ID or number.
func (c *Client) Receipt(ctx context.Context, shop, id string) (out Document, err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/receipts/"+url.PathEscape(id)), nil, nil, &out)
	return out, err
}

// Closings lists closings of a shop, the newest first.
func (c *Client) Closings(ctx context.Context, shop string, f Filter) (out Page[Entry], err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/closings"), f.query(), nil, &out)
	return out, err
}

// Closing returns a closing by its ID or number.
func (c *Client) Closing(ctx context.Context, shop, id string) (out Document, err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/closings/"+url.PathEscape(id)), nil, nil, &out)
	return out, err
}

// Checkpoint is the newest signed checkpoint.
type Checkpoint struct {
	Note string `json:"note"`
	Size int64  `json:"size"`
}

// Checkpoint returns the newest signed checkpoint of the account's log.
func (c *Client) Checkpoint(ctx context.Context) (out Checkpoint, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/archive/checkpoint", nil, nil, &out)
	return out, err
}

// Inclusion proves that a leaf is in the log. Hashes are hexadecimal.
type Inclusion struct {
	Leaf   []byte   `json:"leaf"`
	Hashes []string `json:"hashes"`
}

// Inclusion returns the proof that a leaf is in the log of a size.
func (c *Client) Inclusion(ctx context.Context, leaf, size int64) (out Inclusion, err error) {
	q := url.Values{"leaf": {strconv.FormatInt(leaf, 10)}, "size": {strconv.FormatInt(size, 10)}}
	err = c.call(ctx, http.MethodGet, "/api/v1/archive/inclusion", q, nil, &out)
	return out, err
}

// Consistency returns the proof that the log of size to continues the one of size from, in hexadecimal.
func (c *Client) Consistency(ctx context.Context, from, to int64) ([]string, error) {
	var out struct {
		Hashes []string `json:"hashes"`
	}
	q := url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	err := c.call(ctx, http.MethodGet, "/api/v1/archive/consistency", q, nil, &out)
	return out.Hashes, err
}

// Range says what an export or a hold is about; empty members are without bound.
type Range struct {
	Shop string `json:"shop,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Export is one export.
type Export struct {
	ID       string `json:"id"`
	Shop     string `json:"shop"`
	From     string `json:"from"`
	To       string `json:"to"`
	State    string `json:"state"` // running, done, failed
	Error    string `json:"error,omitempty"`
	Begun    string `json:"begun"`
	Finished string `json:"finished,omitempty"`
	Leaves   int64  `json:"leaves"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256,omitempty"`
	File     string `json:"file,omitempty"`
}

// StartExport begins an export.
func (c *Client) StartExport(ctx context.Context, in Range, o ...Option) (out Export, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/archive/exports", nil, in, &out, o...)
	return out, err
}

// Exports lists exports, the newest first.
func (c *Client) Exports(ctx context.Context) (out Page[Export], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/archive/exports", nil, nil, &out)
	return out, err
}

// Export returns the state of an export.
func (c *Client) Export(ctx context.Context, id string) (out Export, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/archive/exports/"+url.PathEscape(id), nil, nil, &out)
	return out, err
}

// Download writes the file of an export that is done. It takes as long as it takes: ctx ends it.
func (c *Client) Download(ctx context.Context, id string, to io.Writer) (err error) {
	resp, err := c.send(ctx, http.MethodGet, "/api/v1/archive/exports/"+url.PathEscape(id)+"/file", nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return &Unreachable{Address: c.address(), Err: err}
		}
		return problemOf(resp, b)
	}
	n, err := io.Copy(to, resp.Body)
	if err != nil {
		return fmt.Errorf("download the export %s: after %d of %d bytes: %w", id, n, resp.ContentLength, err)
	}
	return nil
}

// Hold is a legal hold.
type Hold struct {
	ID         string `json:"id"`
	Shop       string `json:"shop"`
	From       string `json:"from"`
	To         string `json:"to"`
	Reason     string `json:"reason"`
	Since      string `json:"since"`
	By         string `json:"by"`
	Released   string `json:"released,omitempty"`
	ReleasedBy string `json:"released_by,omitempty"`
	Why        string `json:"why,omitempty"`
}

// Holds lists legal holds, ended ones too.
func (c *Client) Holds(ctx context.Context) (out Page[Hold], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/archive/holds", nil, nil, &out)
	return out, err
}

// SetHold begins a legal hold.
func (c *Client) SetHold(ctx context.Context, r Range, reason string, o ...Option) (out Hold, err error) {
	in := struct {
		Range
		Reason string `json:"reason"`
	}{r, reason}
	err = c.call(ctx, http.MethodPost, "/api/v1/archive/holds", nil, in, &out, o...)
	return out, err
}

// ReleaseHold ends a legal hold.
func (c *Client) ReleaseHold(ctx context.Context, id, why string, o ...Option) (out Hold, err error) {
	in := struct {
		Why string `json:"why"`
	}{why}
	err = c.call(ctx, http.MethodPost, "/api/v1/archive/holds/"+url.PathEscape(id)+"/release", nil, in, &out, o...)
	return out, err
}

// Status says how the cloud is.
type Status struct {
	OK            bool     `json:"ok"`
	Version       string   `json:"version"`
	Since         string   `json:"since"`
	Now           string   `json:"now"`
	Database      string   `json:"database"`       // ok, down, full, read-only, broken
	DatabaseSince string   `json:"database_since"` // since when that is so
	Till          string   `json:"oldest_till"`
	Oldest        int64    `json:"protocol_oldest"` // version of the uplink that it speaks
	Newest        int64    `json:"protocol_newest"`
	Cloud         string   `json:"cloud"`
	Problems      []string `json:"problems"`
	Do            string   `json:"do"` // what a shop is to do about it
}

// Status asks how the cloud is. It needs no token.
func (c *Client) Status(ctx context.Context) (out Status, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/status", nil, nil, &out)
	return out, err
}
