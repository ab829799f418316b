//! `cargo verify`: everything that must hold before a change lands, as a list of named steps.
//!
//! A step is data: what cargo runs, and which bed it needs. Nothing here knows what the tests are about.

mod cold;
mod context;
mod deny;
mod fuzz;
mod generated;
mod guard;
mod run;
mod steps;
mod target;

pub use generated::reference;
pub use guard::{PREFIX, end_with};
pub use run::verify;
pub use steps::{STEPS, Step, Work};

use crate::error::{Error, Result};

/// What was asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these steps; empty means all.
    pub only: Vec<String>,
    /// The slow forms: `None` for none, an empty list for all.
    pub long: Option<Vec<String>>,
}

impl Selection {
    /// The steps to run, each with whether it runs in its slow form. Unknown names are refused.
    pub fn steps(&self) -> Result<Vec<(&'static Step, bool)>> {
        for name in self.only.iter().chain(self.long.iter().flatten()) {
            if !STEPS.iter().any(|step| step.name == name) {
                let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
                return Err(Error::Refuse(format!(
                    "there is no step `{name}`: choose {}",
                    names.join(", ")
                )));
            }
        }
        let without = |names: &[String], lacks: fn(&Step) -> bool| {
            let named = STEPS.iter().filter(|step| names.iter().any(|name| name == step.name));
            named.filter(|step| lacks(step)).map(|step| step.name).next()
        };
        if let Some(name) = without(&self.only, |step| step.work.is_none()) {
            return Err(Error::Refuse(format!(
                "`{name}` is slow only: cargo verify --long {name}"
            )));
        }
        if let Some(name) =
            without(self.long.as_deref().unwrap_or_default(), |step| step.long.is_none())
        {
            return Err(Error::Refuse(format!(
                "`{name}` has no slow form: cargo verify --only {name}"
            )));
        }
        let chosen = STEPS.iter().filter_map(|step| {
            let long = self.wants_long(step);
            (self.wants(step, long) && (long || step.work.is_some())).then_some((step, long))
        });
        Ok(chosen.collect())
    }

    fn wants_long(&self, step: &Step) -> bool {
        match &self.long {
            None => false,
            Some(names) if names.is_empty() => step.long.is_some(),
            Some(names) => step.long.is_some() && names.iter().any(|name| name == step.name),
        }
    }

    fn wants(&self, step: &Step, long: bool) -> bool {
        match (&self.long, self.only.is_empty()) {
            // `--long NAME` alone runs just that step.
            (Some(names), true) if !names.is_empty() => long,
            (_, true) => true,
            (_, false) => self.only.iter().any(|name| name == step.name) || long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    fn names(selection: &Selection) -> Vec<(&'static str, bool)> {
        let steps = selection.steps().expect("the names are known");
        steps.into_iter().map(|(step, long)| (step.name, long)).collect()
    }

    #[test]
    fn everything_short_by_default() {
        let chosen = names(&Selection::default());
        assert!(chosen.contains(&("format", false)) && chosen.contains(&("lifecycle", false)));
        assert!(!chosen.iter().any(|(name, long)| *long || *name == "cold"), "{chosen:?}");
    }

    #[test]
    fn long_with_a_name_is_that_step_alone() {
        let long = Some(vec!["lifecycle".to_owned()]);
        assert_eq!(names(&Selection { only: vec![], long }), [("lifecycle", true)]);
    }

    #[test]
    fn long_without_a_name_is_everything_in_its_slow_form() {
        let chosen = names(&Selection { only: vec![], long: Some(vec![]) });
        assert!(
            chosen.contains(&("cold", true)) && chosen.contains(&("format", false)),
            "{chosen:?}"
        );
    }

    #[test]
    fn name_that_would_run_nothing_is_refused_with_the_right_command() {
        let told = |only: &[&str], long: Option<&[&str]>| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let selection = Selection { only: owned(only), long: long.map(owned) };
            selection.steps().map(drop).expect_err("nothing would run").to_string()
        };
        assert_eq!(told(&["cold"], None), "`cold` is slow only: cargo verify --long cold");
        let tidy = "`tidy` has no slow form: cargo verify --only tidy";
        assert_eq!(told(&[], Some(&["tidy"])), tidy);
    }

    #[test]
    fn unknown_name_is_refused_with_the_list() {
        let error = Selection { only: vec!["fromat".to_owned()], long: None }.steps();
        assert!(error.is_err_and(|error| error.to_string().contains("choose format, clippy")));
    }
}
