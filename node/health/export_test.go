package health

// Texts and Severities are what there is for each code.
var (
	Texts = func() map[Code][3][2]string {
		out := make(map[Code][3][2]string)
		for code, all := range texts {
			var one [3][2]string
			for l, t := range all {
				one[l] = [2]string{t.title, t.do}
			}
			out[code] = one
		}
		return out
	}()
	Severities = severities
)
