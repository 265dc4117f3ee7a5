package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

type lossCommand struct {
	askFlags `embed:""`
	Till     string `arg:"" optional:"" help:"Till that is lost: prefix of its numbers such as K3, its name, or its ID."`
	Out      string `placeholder:"FILE" help:"Write the signed statement into this file; there must be none of this name yet."`
	Verify   string `placeholder:"FILE" help:"Check a statement instead. No till is needed for that."`
}

// Help is the longer help.
func (l *lossCommand) Help() string {
	return "Says for each series of the till which numbers are known and where, which are missing and what other documents bound of those, and from which number on nobody knows " +
		"anything; what is open at it as the others know it; and when it was heard last. The till that is asked signs it. Of a coupled shop the cloud can say it, too."
}

// verifiedLoss is a statement that was checked.
type verifiedLoss struct {
	OK        bool           `json:"ok"`
	Signed    string         `json:"signed_by"` // ID of who signed it
	Statement loss.Statement `json:"statement"`
}

// Run asks for a statement, or checks one.
func (l *lossCommand) Run(ctx context.Context, c *console) error {
	switch {
	case l.Verify != "" && (l.Till != "" || l.Out != ""):
		return usage(errors.New("--verify checks a file and asks no till"), "leave out the till and --out")
	case l.Verify != "":
		return l.check(c)
	case l.Till == "":
		return usage(errors.New("it was not said which till is lost"), "name it, such as K3; \"till mesh\" lists the tills")
	}
	till, err := l.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	answer, err := till.Loss(ctx, l.Till)
	if err != nil {
		return err
	}
	signed := loss.Signed(answer)
	s, err := verifyLoss(signed)
	if err != nil {
		return err
	}
	text := s.Text()
	if l.Out != "" {
		if err := saveLoss(l.Out, signed); err != nil {
			return err
		}
		text += fmt.Sprintf("\nsigned and written to %s\n", l.Out)
	}
	return c.print(signed, text)
}

// saveLoss writes a statement into a new file.
func saveLoss(path string, signed loss.Signed) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &advice{fmt.Errorf("there is a file %s already", path), "choose another name; nothing was written over"}
	}
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	if err = enc.Encode(signed); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// check checks a file.
func (l *lossCommand) check(c *console) error {
	f, err := os.Open(l.Verify)
	if errors.Is(err, fs.ErrNotExist) {
		return &advice{fmt.Errorf("there is no file %s", l.Verify), "name the file of a statement"}
	}
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, loss.MaxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("read %s: %w", l.Verify, err)
	}
	signed, err := loss.Parse(b)
	if err != nil {
		return notToRelyOn(err)
	}
	s, err := verifyLoss(signed)
	if err != nil {
		return err
	}
	return c.print(verifiedLoss{true, s.By.ID, s}, fmt.Sprintf("the signature holds; it is that of %s\n\n%s", s.By.ID, s.Text()))
}

// verifyLoss returns what a statement says if it is as it was signed.
func verifyLoss(signed loss.Signed) (loss.Statement, error) {
	s, err := loss.Verify(signed, crdt.TillID{})
	switch {
	case errors.Is(err, crdt.ErrVersion):
		return s, &advice{err, "update this program: the statement was made by a newer one"}
	case err != nil:
		return s, notToRelyOn(err)
	}
	return s, nil
}

func notToRelyOn(err error) error {
	return &advice{err, "do not rely on it; ask for a new one, and keep this one"}
}
