package simulation

// RunOccasion runs what a plant plans, without its mistake.
func (r *Runner) RunOccasion(seed uint64, p Plant) error {
	_, err := r.run(Run{Seed: seed}, newPlan(seed, p))
	return err
}
