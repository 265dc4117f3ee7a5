package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// BackupState is how a backup is doing, or how the last one ended.
type BackupState struct {
	Running bool  `json:"running"`
	BeganAt Time  `json:"began_at"`
	EndedAt Time  `json:"ended_at"`
	Commits int64 `json:"commits"`
	Bytes   int64 `json:"bytes"`
	// Hash is the SHA-256 of the file, in hexadecimal, once it ended well; Problem says why it did not.
	Hash    string `json:"hash"`
	Problem string `json:"problem"`
	// FounderSecret says that it can be restored without another till.
	FounderSecret bool `json:"founder_secret"`
}

// backupSilence is how long a backup may send nothing before it counts as dead: the till reads all the time.
const backupSilence = 2 * time.Minute

// Backup copies a backup of everything the till holds into w. After an error what was written is no backup; ending ctx
// cancels it.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.download(ctx, "/api/v1/backup", w, c.brokenBackup)
}

// download copies a file of unknown length into w. broken makes of what ended it early what the caller gets.
func (c *Client) download(ctx context.Context, path string, w io.Writer, broken func(context.Context, error) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(backupSilence, func() { cancel(context.DeadlineExceeded) })
	defer quiet.Stop()
	resp, err := c.send(ctx, http.MethodGet, path, nil, nil, func(h http.Header) { h.Set("Accept", "*/*") })
	if err != nil {
		return broken(ctx, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return &Unreachable{Address: strings.TrimPrefix(c.root, "http://"), Err: err}
		}
		return problemOf(resp, b)
	}
	buf := make([]byte, 64<<10)
	for {
		n, read := resp.Body.Read(buf)
		quiet.Reset(backupSilence)
		if _, err := w.Write(buf[:n]); err != nil {
			return fmt.Errorf("keep what was sent: %w", err)
		}
		switch {
		case errors.Is(read, io.EOF):
			return nil
		case read != nil:
			return broken(ctx, &Unreachable{Address: strings.TrimPrefix(c.root, "http://"), Err: read})
		}
	}
}

// brokenBackup asks the till why it ended a backup.
func (c *Client) brokenBackup(ctx context.Context, cause error) error {
	if ctx.Err() == nil {
		if state, err := c.BackupState(ctx); err == nil && !state.Running && state.Problem != "" {
			return fmt.Errorf("the till ended the backup: %s", state.Problem)
		}
	}
	return cause
}

// BackupState asks how the backup is doing.
func (c *Client) BackupState(ctx context.Context) (s BackupState, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/backup/state", nil, nil, &s)
	return s, err
}

// Found is what a till's directory holds that the shop does not.
type Found struct {
	// ID stands for exactly what would be taken.
	ID    string `json:"id"`
	Shop  string `json:"shop"`
	Till  string `json:"till"`
	Name  string `json:"name"`
	State string `json:"state"`
	// Known and Commits count what is here already and what would be taken.
	Known    int64          `json:"known"`
	Commits  int64          `json:"commits"`
	Receipts []FoundReceipt `json:"receipts"`
	Payments []FoundPayment `json:"payments"`
	// More counts what the lists have no room for.
	More    int64          `json:"more"`
	Sums    []FoundSum     `json:"sums"`
	Gaps    []string       `json:"gaps"`
	Refused []FoundRefused `json:"refused"`
	// NotTaken counts all that was refused.
	NotTaken int64    `json:"not_taken"`
	Damage   []string `json:"damage"`
}

// FoundReceipt is an unknown receipt.
type FoundReceipt struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Till     string `json:"till"`
	Kind     string `json:"kind"`
	ClosedAt string `json:"closed_at"`
	Gross    int64  `json:"gross"`
	Currency string `json:"currency"`
}

// FoundPayment is an unknown payment that no receipt holds.
type FoundPayment struct {
	ID     string `json:"id"`
	Till   string `json:"till"`
	Type   string `json:"type"`
	State  string `json:"state"`
	Amount int64  `json:"amount"`
	At     Time   `json:"at"`
}

// FoundSum is what the receipts come to.
type FoundSum struct {
	Currency string `json:"currency"`
	Receipts int64  `json:"receipts"`
	Gross    int64  `json:"gross"`
}

// FoundRefused is what is not taken, and why.
type FoundRefused struct {
	Scope  string `json:"scope"`
	Change string `json:"change"`
	Reason string `json:"reason"`
}

// Recovery is what was taken from a found till.
type Recovery struct {
	ID       string     `json:"id"`
	Till     string     `json:"till"`
	Name     string     `json:"name"`
	By       string     `json:"by"`
	ByTill   string     `json:"by_till"`
	At       Time       `json:"at"`
	Commits  int64      `json:"commits"`
	Receipts int64      `json:"receipts"`
	Numbers  []string   `json:"numbers"`
	Sums     []FoundSum `json:"sums"`
}

// Scan lists what a found till's directory, on the machine of the called till, holds that this till does not. It takes
// as long as reading all of it does.
func (c *Client) Scan(ctx context.Context, dir string) (f Found, err error) {
	err = c.long(ctx, "/api/v1/recover/scan", map[string]string{"dir": dir}, &f)
	return f, err
}

// TakeOver takes what Scan listed under this ID. by is who says so.
func (c *Client) TakeOver(ctx context.Context, dir, id, by string) (r Recovery, err error) {
	err = c.long(ctx, "/api/v1/recover/take", map[string]string{"dir": dir, "id": id, "by": by}, &r)
	return r, err
}

// Recoveries lists what the shop's tills took from found ones, the latest first.
func (c *Client) Recoveries(ctx context.Context) (list []Recovery, err error) {
	var out struct {
		Items []Recovery `json:"items"`
	}
	err = c.call(ctx, http.MethodGet, "/api/v1/recover", nil, nil, &out)
	return out.Items, err
}

// long is a POST that has no limit of time but ctx.
func (c *Client) long(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("write the request %s: %w", path, err)
	}
	resp, err := c.send(ctx, http.MethodPost, path, nil, strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return &Unreachable{Address: strings.TrimPrefix(c.root, "http://"), Err: err}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problemOf(resp, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: the answer is not what this program knows: %w", path, err)
	}
	return nil
}
