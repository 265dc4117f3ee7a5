// Package terminal is the port between a till and a payment terminal, the device that reads cards. Package simulated has
// one for tests and demonstrations.
//
// # What a till does with it
//
// Money that a terminal took and a till does not know of, or the other way round, is the worst that can happen here. So a
// till writes down what it is about to ask before it asks, under an ID of its own, and whatever happens then, it asks what
// became of that ID. It never asks for the same money twice by itself:
//
//	intended -> sent -> captured | declined | unknown
//
// "sent" is on the disk before [Terminal.Ask] is called. An error of Ask means that the outcome is not known: the payment is
// "unknown" until [Terminal.Query] says Captured, Declined or Absent. These three are final: a terminal that said one of
// them says the same for ever, also when a request that was under way reaches it later. After a restart the till queries
// every payment of its own that is not final before it asks for new money.
//
// # How ZVT fits (not built here)
//
// ZVT terminals (ECR interface 700, TCP or serial) know no ID of the till. An adapter maps the port so:
//
//   - Name: the terminal ID (TID) that Registration (06 00) and Status Enquiry (05 01) report. Another device has another
//     one, so nobody asks a new terminal about what an old one did.
//   - Mark, before anything is asked: Status Enquiry and Repeat Receipt (06 20) tell the receipt number (BMP 87) of the last
//     transaction and its amount. That pair is the mark; the till keeps it with "sent" and hands it back with every query.
//   - Ask: Authorisation (06 01) with the amount in BMP 04 and the currency in BMP 49; Refund (06 31); Reversal (06 30) with
//     the receipt number of Request.Trace in BMP 87. Intermediate Status (04 FF) keeps the connection alive. Status
//     Information (04 0F) followed by Completion (06 0F) is Captured, if its result code (BMP 27) is 00; Abort (06 1E) is
//     Declined, with the text of the result code. Trace is the receipt number, with the trace number (BMP 0B) behind a slash;
//     Card is the name (BMP 8B) and the masked number (BMP 22); Approval is the AID (BMP 3B); the Print Lines (06 D1, 06 D3) up to Completion are the texts.
//     A lost connection, or no Completion after the terminal's own timeout, is an error.
//   - Query: Status Enquiry first; a terminal that is busy is Pending. Then Repeat Receipt: a receipt number behind the mark
//     with this amount and kind is Captured; the number of the mark, with the terminal idle, is Absent, since a terminal does
//     one thing at a time and an adapter asks for one at a time. Anything else is Pending: a person compares the terminal's
//     journal.
//   - Cancel: Abort (06 B0) on the connection of Ask.
//
// # Concurrency
//
// A till calls Ask for one request at a time. Query and Cancel may be called while Ask runs.
package terminal
