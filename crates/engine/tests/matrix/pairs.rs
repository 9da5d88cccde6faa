//! Combinations in which every pair of values occurs.

use trustwright_testkit::KeyKind;

use crate::{Form, Row, Signer, What};

/// Number of values of each flag.
const LEVELS: [usize; 7] = [7, 3, 2, 2, 2, 2, 2];

type Choice = [usize; 7];

/// A pair of values: flag and value, flag and value.
type Pair = [(usize, usize); 2];

fn row(choice: &Choice) -> Row {
    let [signer, form, log, stamp, chain, referrers, what] = *choice;
    Row {
        signer: KeyKind::ALL.get(signer).map_or(Signer::Keyless, |kind| Signer::Key(*kind)),
        form: [Form::Legacy, Form::Experimental, Form::Bundle][form],
        log: log == 1,
        stamp: stamp == 1,
        chain: chain == 1,
        referrers: referrers == 0,
        what: [What::Signature, What::Attestation("custom".into())][what].clone(),
    }
}

fn pairs(choice: &Choice) -> Vec<Pair> {
    let flags = 0..choice.len();
    flags.clone().flat_map(|a| (a + 1..choice.len()).map(move |b| [(a, choice[a]), (b, choice[b])])).collect()
}

fn all() -> Vec<Choice> {
    LEVELS.iter().enumerate().fold(vec![[0; 7]], |choices, (flag, levels)| {
        let with = |choice: Choice| {
            (0..*levels).map(move |level| {
                let mut choice = choice;
                choice[flag] = level;
                choice
            })
        };
        choices.into_iter().flat_map(with).collect()
    })
}

/// Rows that are `possible`, in which every pair of values occurs that occurs in a possible row at all: greedily, each
/// next row the first of those with the most new pairs.
pub(crate) fn rows(possible: impl Fn(&Row) -> bool) -> Vec<Row> {
    let choices: Vec<_> = all().into_iter().filter(|choice| possible(&row(choice))).collect();
    let mut missing: Vec<Pair> = choices.iter().flat_map(pairs).collect();
    missing.sort_unstable();
    missing.dedup();
    let mut rows = Vec::new();
    while !missing.is_empty() {
        let gain = |choice: &Choice| pairs(choice).iter().filter(|pair| missing.contains(pair)).count();
        // The first of the best: `max_by_key` takes the last.
        let best = choices.iter().rev().max_by_key(|choice| gain(choice)).unwrap();
        let covered = pairs(best);
        missing.retain(|pair| !covered.contains(pair));
        rows.push(row(best));
    }
    rows
}

/// Every combination.
pub(crate) fn everything() -> Vec<Row> {
    all().iter().map(row).collect()
}
