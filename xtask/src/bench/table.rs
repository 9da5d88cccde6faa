//! Figures, and whether they keep to the limits that we promise.

use std::fmt;

use anyhow::{Result, ensure};

/// What was measured against a limit, and missed it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    missed: Vec<String>,
}

/// The most that a figure may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) most: f64,
    pub(crate) unit: &'static str,
}

impl Table {
    /// Prints a figure with its limit, and whether it holds.
    pub(crate) fn hold(&mut self, name: &str, figure: f64, limit: Limit) {
        let Limit { most, unit } = limit;
        let digits = if figure.fract() == 0.0 { 0 } else { 2 };
        // What is no number does not hold.
        let holds = figure <= most;
        let said = if holds { "holds" } else { "MISSED" };
        row(name, format_args!("{:<14} at most {most} {unit}: {said}", format!("{figure:.digits$} {unit}")));
        if !holds {
            self.missed.push(format!("{name}: {figure:.digits$} {unit}, at most {most} {unit}"));
        }
    }

    /// Fails if a limit was missed.
    pub(crate) fn finish(self) -> Result<()> {
        let (count, list) = (self.missed.len(), self.missed.join("\n"));
        ensure!(count == 0, "{count} limit(s) missed:\n{list}");
        Ok(())
    }
}

/// Prints a figure that has no limit.
pub(crate) fn row(name: &str, figure: impl fmt::Display) {
    println!("{name:<64} {figure}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_missed_fails_at_the_end_and_one_that_is_reached_does_not() {
        let limit = Limit { most: 2.0, unit: "s" };
        let mut table = Table::default();
        table.hold("kept", 2.0, limit);
        assert!(table.finish().is_ok());
        for figure in [2.001, f64::NAN] {
            let mut table = Table::default();
            table.hold("kept", 1.0, limit);
            table.hold("missed", figure, limit);
            let error = table.finish().unwrap_err().to_string();
            assert!(error.contains("missed: ") && !error.contains("kept: "), "{error}");
        }
    }
}
