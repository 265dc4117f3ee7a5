package rksv

import (
	"math"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// judge checks a receipt by every rule but V1.
func (v *Verifier) judge(j JWS, certificate []byte) {
	p := j.Payload
	if v.summary.CashBox == "" {
		v.summary.CashBox = p.CashBox
	}
	if v.summary.First == "" {
		v.summary.First = p.Date
	}
	amounts, err := p.Parse()
	if err != nil {
		v.add(RuleAmount, "An amount cannot be read: "+err.Error()+".")
	}
	null := err == nil && amounts == Amounts{} && !p.Cancellation() && !p.Training()
	v.signature(j, certificate)
	v.place(p)
	switch {
	case !v.started:
		v.start(j, null)
	case p.Previous != chainValue(v.before):
		v.add(RuleChain, "It is not linked to the receipt before it: one was changed, added or left out.")
	}
	v.count(p, amounts, err == nil)
	if !j.Outage() && v.outage && !null {
		v.add(RuleOutage, "It is the first signed receipt after an outage and should be a Nullbeleg.")
	}
	v.outage = j.Outage()
	v.tally(j, null)
}

// tally counts the receipt.
func (v *Verifier) tally(j JWS, null bool) {
	if j.Outage() {
		v.summary.Unsigned++
	}
	switch {
	case null:
		v.summary.Nulls++
	case j.Payload.Cancellation():
		v.summary.Cancellations++
	case j.Payload.Training():
		v.summary.Trainings++
	}
	v.summary.Last = j.Payload.Date
}

// signature checks that the receipt is signed with the key it names.
func (v *Verifier) signature(j JWS, certificate []byte) {
	p := j.Payload
	key, known := v.keys.Units[p.Certificate]
	if certificate != nil {
		if own, err := certificateKey(certificate); err != nil || known && !own.Equal(key) {
			v.add(RuleKey, "The certificate of its group is not that of "+p.Certificate+".")
		}
	}
	text := []byte(signingInput(p))
	if known && (j.Outage() || es256.Verify(key, text, j.Signature)) {
		return
	}
	for other, key := range v.keys.Units {
		if !j.Outage() && es256.Verify(key, text, j.Signature) {
			v.add(RuleKey, "It names "+p.Certificate+" and is signed by "+other+".")
			return
		}
	}
	if known {
		v.add(RuleSignature, "Its signature does not hold: it was changed.")
	} else {
		v.add(RuleKey, "There is no key for the certificate it names, "+p.Certificate+".")
	}
}

// place checks what must agree with the receipts before.
func (v *Verifier) place(p Payload) {
	if p.CashBox != v.summary.CashBox {
		v.add(RuleCashBox, "It is of cash box "+p.CashBox+", the log of "+v.summary.CashBox+".")
	}
	open := !p.Closed()
	switch {
	case v.open != nil && *v.open != open:
		v.add(RuleSystem, "Open and closed systems are mixed in one log.")
	case checkCertificate(p.Suite, p.Certificate) != nil:
		v.add(RuleSystem, "Certificate "+p.Certificate+" does not belong to a system "+p.Suite+".")
	}
	if v.open == nil {
		v.open = &open
	}
	key := numberKey(p.Number)
	if _, used := v.numbers[key]; used {
		v.add(RuleNumber, "Its number was used before.")
	}
	v.numbers[key] = struct{}{}
	if p.Date < v.date {
		v.add(RuleDate, "It is dated "+p.Date+", after one of "+v.date+".")
	}
	v.date = max(v.date, p.Date)
}

// start checks the first receipt of a log.
func (v *Verifier) start(j JWS, null bool) {
	switch {
	case j.Outage() || !null:
		v.add(RuleStart, "A log begins with a signed start receipt that comes to nothing.")
	case j.Payload.Previous != chainValue(j.Payload.CashBox):
		v.add(RuleStart, "The first receipt is not linked to its cash box: receipts before it are missing.")
	}
}

// count checks the turnover counter against the sum of all receipts.
func (v *Verifier) count(p Payload, amounts Amounts, readable bool) {
	if !p.Training() {
		sum := amounts.Sum()
		v.known = v.known && readable && !(sum > 0 && v.counter > math.MaxInt64-sum) && !(sum < 0 && v.counter < math.MinInt64-sum)
		v.counter += sum
	}
	encrypted := p.counter()
	if encrypted == nil {
		return
	}
	counter, ok := v.keys.AES.decrypt(p.CashBox, p.Number, encrypted)
	switch {
	case v.length != 0 && v.length != len(encrypted):
		v.add(RuleCounter, "Its turnover counter has another length than those before.")
	case !ok:
		v.add(RuleCounter, "Its turnover counter cannot be decrypted: the key is another one.")
	case !v.started && counter != 0:
		v.add(RuleStart, "The turnover counter does not begin at 0.")
	case v.known && v.started && counter != v.counter:
		v.add(RuleCounter, "Its turnover counter is not the sum of the receipts so far.")
	}
	if v.length == 0 {
		v.length = len(encrypted)
	}
	if ok {
		v.counter, v.known = counter, true
	}
}
