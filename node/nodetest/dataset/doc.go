// Package dataset reads sales and articles that none of us wrote, so that tests meet names, prices and times as they
// really occur.
//
// The sets lie beside the repository, not in it: they are licensed for tests only, and a checkout may lack them. [Open]
// finds the folder, [Catalogue], [Pizza] and [Takeaway] read it, [Generate] and [GenerateCatalogue] invent sets of the
// same shape for when it is absent.
//
// # Control totals
//
// Each set of sales comes with [Control] totals. [Totals] computes the same numbers and the same three hashes from any
// stream of sold lines: feed it from the receipt documents of a till, and the till has lost, doubled or changed nothing
// exactly if the sums are equal. Where they are not, PerDay, PerReceipt and PerArticle give texts to compare.
//
// Quantities are thousandths and prices minor units (cents, pence) as everywhere in this module; no number is ever a
// float.
package dataset
