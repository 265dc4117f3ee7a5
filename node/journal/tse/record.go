package tse

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// ErrRecord means that what a document says of its security device cannot be read.
var ErrRecord = errors.New("not a record of a security device")

// Record is what a document or an order keeps of its transaction: every text as the device gave it.
type Record struct {
	Client      string
	Process     Process
	Transaction uint64 // 0: it was never started
	Counter     uint64 // of the end
	Start, End  string // log times in TimeLayout
	Signature   string
	Serial      string // of the device, and so on as in Info
	Algorithm   string
	TimeFormat  string
	PublicKey   string
	Notice      string
	Failure     string // why there is no signature; then the receipt says Outage in clear
}

// NewRecord returns the record of a transaction that was signed.
func NewRecord(i Info, client string, p Process, s Started, f Finished) Record {
	return Record{
		Client: client, Process: p, Transaction: s.Transaction, Counter: f.Counter, Start: s.LogTime, End: f.LogTime,
		Signature: f.Signature, Serial: i.Serial, Algorithm: f.Algorithm, TimeFormat: i.TimeFormat, PublicKey: i.PublicKey, Notice: i.Notice,
	}
}

// Failed returns the record of a transaction that the device did not sign. started is what was known of it, nil if not
// even that.
func Failed(client string, p Process, started *Started, cause error) Record {
	const most = 200 // characters of TSE_TA_FEHLER
	text := []rune(strings.ToValidUTF8(Outage+": "+cause.Error(), "\uFFFD"))
	r := Record{Client: client, Process: p, Failure: string(text[:min(len(text), most)])}
	if started != nil {
		r.Transaction, r.Start, r.Serial = started.Transaction, started.LogTime, started.Serial
	}
	return r
}

// QR returns the text of the QR code (DSFinV-K, Anhang I), empty if there is no signature.
func (r Record) QR() string {
	if r.Signature == "" {
		return ""
	}
	return strings.Join([]string{
		"V0", r.Client, r.Process.Type, r.Process.Data, decimal(r.Transaction), decimal(r.Counter), r.Start, r.End,
		r.Algorithm, r.TimeFormat, r.Signature, r.PublicKey,
	}, ";")
}

// ParseQR reads the text of a QR code. Process data may hold semicolons, no other field does. It returns [ErrRecord].
func ParseQR(text string) (Record, error) {
	const before, after = 3, 8 // fields on either side of the process data
	fields := strings.Split(text, ";")
	n := len(fields) - after
	if n <= before || fields[0] != "V0" {
		return Record{}, fmt.Errorf("%w: not the QR code of a German receipt", ErrRecord)
	}
	rest := fields[n:]
	transaction, err1 := parseDecimal(rest[0])
	counter, err2 := parseDecimal(rest[1])
	r := Record{
		Client: fields[1], Process: Process{fields[2], strings.Join(fields[before:n], ";")}, Transaction: transaction, Counter: counter,
		Start: rest[2], End: rest[3], Algorithm: rest[4], TimeFormat: rest[5], Signature: rest[6], PublicKey: rest[7],
	}
	if err := errors.Join(err1, err2); err != nil {
		return Record{}, err
	}
	if r.Signature == "" || r.PublicKey == "" {
		return Record{}, fmt.Errorf("%w: it has no signature or no key", ErrRecord)
	}
	r.Serial = serialOf(r.PublicKey)
	return r, nil
}

// Object returns the form that a document carries as its security. It is of kind "tse"; numbers are texts, so that no
// reader rounds them; what is empty is left out.
func (r Record) Object() receipt.Object {
	o := receipt.Object{{Name: "kind", Value: receipt.String(recordKind)}}
	for _, f := range r.fields() {
		if *f.text != "" {
			o = append(o, receipt.Member{Name: f.name, Value: receipt.String(*f.text)})
		}
	}
	for _, f := range r.numbers() {
		if *f.number != 0 {
			o = append(o, receipt.Member{Name: f.name, Value: receipt.String(decimal(*f.number))})
		}
	}
	return o
}

const recordKind = "tse"

// ParseRecord reads the security of a document. Members it does not know are ignored. It returns [ErrRecord] if it is
// of another kind of device, or a text is none.
func ParseRecord(o receipt.Object) (Record, error) {
	var r Record
	if kind, _ := o.Get("kind").(receipt.String); kind != recordKind {
		return r, fmt.Errorf("%w: it is of kind %.20q", ErrRecord, string(kind))
	}
	text := func(name string) (string, error) {
		switch v := o.Get(name).(type) {
		case nil:
			return "", nil
		case receipt.String:
			return string(v), nil
		}
		return "", fmt.Errorf("%w: %s is no text", ErrRecord, name)
	}
	for _, f := range r.fields() {
		var err error
		if *f.text, err = text(f.name); err != nil {
			return Record{}, err
		}
	}
	for _, f := range r.numbers() {
		digits, err := text(f.name)
		if err == nil && digits != "" {
			*f.number, err = parseDecimal(digits)
		}
		if err != nil {
			return Record{}, err
		}
	}
	return r, nil
}

type textField struct {
	name string
	text *string
}

func (r *Record) fields() []textField {
	return []textField{
		{"algorithm", &r.Algorithm}, {"client", &r.Client}, {"end", &r.End}, {"failure", &r.Failure}, {"notice", &r.Notice},
		{"process_data", &r.Process.Data}, {"process_type", &r.Process.Type}, {"public_key", &r.PublicKey}, {"serial", &r.Serial},
		{"signature", &r.Signature}, {"start", &r.Start}, {"time_format", &r.TimeFormat},
	}
}

type numberField struct {
	name   string
	number *uint64
}

func (r *Record) numbers() []numberField {
	return []numberField{{"counter", &r.Counter}, {"transaction", &r.Transaction}}
}
