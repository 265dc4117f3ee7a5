package server

import (
	"fmt"
	"strings"
	"time"
)

// statusWords are what the page about the cloud says in one language.
type statusWords struct {
	Lang, Works, Trouble                         string
	Since, Do, Version, Running, Clock, Database string
	Speaks, To, Oldest, Always                   string
	states                                       map[string]string // of the database, one word or two
	problems                                     map[string]string // what that means
	advice                                       map[string]string // what to do
	now, minute, hour, day                       string
}

// inEnglish is also what programs get.
var inEnglish = &statusWords{
	Lang: "en", Works: "The cloud works", Trouble: "The cloud has a problem", Since: "It is so since", Do: "What to do", Version: "Version", Running: "Running since",
	Clock: "Clock", Database: "Database", Speaks: "Speaks with tills by protocol", To: "to", Oldest: "Oldest program of a till that is let in",
	Always: "Tills go on selling whatever is shown here.", now: "just now", minute: "min", hour: "h", day: "days",
	states: map[string]string{databaseOK: "ok", databaseDown: "does not answer", databaseFull: "full", databaseReadOnly: "stores nothing", databaseBroken: "damaged"},
	problems: map[string]string{
		databaseDown:     "The database does not answer. Tills go on selling, keep everything, and send it when it is back.",
		databaseFull:     "The database has no room left. What is in the archive can be read, and nothing new gets in. Tills go on selling, keep everything, and send it when there is room.",
		databaseReadOnly: "The database stores nothing now. What is in the archive can be read, and nothing new gets in. Tills go on selling, keep everything, and send it when it works again.",
		databaseBroken:   "The database says that it is damaged. Tills go on selling, keep everything, and send it when it works again.",
	},
	advice: map[string]string{
		databaseDown:     "Nothing has to be done at the tills. If it lasts for hours, tell who runs this cloud.",
		databaseFull:     "Tell who runs this cloud to make room. Nothing has to be done at the tills.",
		databaseReadOnly: "Nothing has to be done at the tills. If it lasts for hours, tell who runs this cloud.",
		databaseBroken:   "Tell who runs this cloud at once. Remove no till and delete nothing there: they hold what is not in the archive.",
	},
}

var inGerman = &statusWords{
	Lang: "de", Works: "Die Cloud arbeitet", Trouble: "Die Cloud hat ein Problem", Since: "So seit", Do: "Was zu tun ist", Version: "Version", Running: "Läuft seit",
	Clock: "Uhr", Database: "Datenbank", Speaks: "Spricht mit Kassen nach Protokoll", To: "bis", Oldest: "Ältestes Programm einer Kasse, das eingelassen wird",
	Always: "Die Kassen verkaufen weiter, was immer hier steht.", now: "gerade eben", minute: "Min.", hour: "Std.", day: "Tage",
	states: map[string]string{databaseOK: "in Ordnung", databaseDown: "antwortet nicht", databaseFull: "voll", databaseReadOnly: "speichert nichts", databaseBroken: "beschädigt"},
	problems: map[string]string{
		databaseDown:     "Die Datenbank antwortet nicht. Die Kassen verkaufen weiter, behalten alles und senden es, wenn sie wieder da ist.",
		databaseFull:     "Die Datenbank hat keinen Platz mehr. Was im Archiv ist, kann gelesen werden; Neues kommt nicht hinein. Die Kassen verkaufen weiter, behalten alles und senden es, wenn Platz ist.",
		databaseReadOnly: "Die Datenbank speichert gerade nichts. Was im Archiv ist, kann gelesen werden; Neues kommt nicht hinein. Die Kassen verkaufen weiter, behalten alles und senden es, wenn sie wieder arbeitet.",
		databaseBroken:   "Die Datenbank meldet, dass sie beschädigt ist. Die Kassen verkaufen weiter, behalten alles und senden es, wenn sie wieder arbeitet.",
	},
	advice: map[string]string{
		databaseDown:     "An den Kassen ist nichts zu tun. Wenn es Stunden dauert, sagen Sie es dem, der diese Cloud betreibt.",
		databaseFull:     "Sagen Sie dem, der diese Cloud betreibt, dass er Platz schaffen muss. An den Kassen ist nichts zu tun.",
		databaseReadOnly: "An den Kassen ist nichts zu tun. Wenn es Stunden dauert, sagen Sie es dem, der diese Cloud betreibt.",
		databaseBroken:   "Sagen Sie es sofort dem, der diese Cloud betreibt. Entfernen Sie keine Kasse und löschen Sie dort nichts: Sie haben, was nicht im Archiv ist.",
	},
}

var inRussian = &statusWords{
	Lang: "ru", Works: "Облако работает", Trouble: "В облаке неполадка", Since: "Это так с", Do: "Что делать", Version: "Версия", Running: "Работает с",
	Clock: "Часы", Database: "База данных", Speaks: "Версия протокола для касс", To: "–", Oldest: "Самая старая допускаемая программа кассы",
	Always: "Кассы продолжают продавать, что бы здесь ни было написано.", now: "только что", minute: "мин", hour: "ч", day: "дн.",
	states: map[string]string{databaseOK: "в порядке", databaseDown: "не отвечает", databaseFull: "нет места", databaseReadOnly: "ничего не сохраняет", databaseBroken: "повреждена"},
	problems: map[string]string{
		databaseDown:     "База данных не отвечает. Кассы продолжают продавать, всё хранят и отправят, когда она снова заработает.",
		databaseFull:     "В базе данных закончилось место. Архив можно читать, новое в него не попадает. Кассы продолжают продавать, всё хранят и отправят, когда появится место.",
		databaseReadOnly: "База данных сейчас ничего не сохраняет. Архив можно читать, новое в него не попадает. Кассы продолжают продавать, всё хранят и отправят, когда она снова заработает.",
		databaseBroken:   "База данных сообщает, что она повреждена. Кассы продолжают продавать, всё хранят и отправят, когда она снова заработает.",
	},
	advice: map[string]string{
		databaseDown:     "На кассах ничего делать не нужно. Если это длится часами, сообщите тому, кто обслуживает это облако.",
		databaseFull:     "Сообщите тому, кто обслуживает это облако, что нужно освободить место. На кассах ничего делать не нужно.",
		databaseReadOnly: "На кассах ничего делать не нужно. Если это длится часами, сообщите тому, кто обслуживает это облако.",
		databaseBroken:   "Сразу сообщите тому, кто обслуживает это облако. Не удаляйте кассы и ничего на них: у них есть то, чего нет в архиве.",
	},
}

// maxLanguages bounds how many wishes of a browser are looked at.
const maxLanguages = 20

// wordsFor chooses a language by what a browser asks for (Accept-Language): the first one of its list that there is. Browsers write their list in the order of
// their wishes.
func wordsFor(accept string) *statusWords {
	for i, wish := range strings.SplitN(accept, ",", maxLanguages+1) {
		tag, _, _ := strings.Cut(wish, ";")
		language, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		for _, w := range []*statusWords{inEnglish, inGerman, inRussian} {
			if language == w.Lang && i < maxLanguages {
				return w
			}
		}
	}
	return inEnglish
}

// moment writes a time and how long ago it was.
func (w *statusWords) moment(at, now time.Time) string {
	return fmt.Sprintf("%s UTC (%s)", at.UTC().Format("2006-01-02 15:04"), w.age(now.Sub(at)))
}

// age writes minutes below two hours, hours below two days, then days.
func (w *statusWords) age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return w.now
	case d < 2*time.Hour:
		return fmt.Sprintf("%d %s", d/time.Minute, w.minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d %s", d/time.Hour, w.hour)
	}
	return fmt.Sprintf("%d %s", d/(24*time.Hour), w.day)
}
