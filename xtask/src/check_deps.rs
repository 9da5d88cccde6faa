//! `cargo xtask check-deps`: holds the crates against the table in `ARCHITECTURE.md`.
//!
//! Three things are checked: who uses whom (both ways: neither more nor less than the table says), that ring 0
//! reads no clock, environment, file or socket, and that no banned crate is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// The file that holds the table.
const DOCUMENT: &str = "ARCHITECTURE.md";

/// What our packages' names start with; the table leaves it out.
const PREFIX: &str = "trustwright-";

/// The cells of the table's first line.
const HEADER: [&str; 3] = ["crate", "ring", "may use"];

/// What ring 0 must not mention. Found where the character before it does not continue a name.
const FORBIDDEN: [&str; 14] = [
    "Instant::now",
    "SystemTime::now",
    "TcpListener",
    "TcpStream",
    "Timestamp::now",
    "UdpSocket",
    "UnixStream",
    "Zoned::now",
    "env::",
    "fs::",
    "reqwest",
    "std::env",
    "std::fs",
    "tokio::",
];

/// Crates that are never built, as in the `bans` of `deny.toml`: aws-lc is the one provider of cryptography.
const BANNED: [&str; 5] = ["native-tls", "openssl", "openssl-src", "openssl-sys", "ring"];

/// Who uses whom, by short names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The table of crates.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    /// The number of its header's line.
    line: usize,
    rows: Vec<Row>,
}

/// One crate of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    name: String,
    ring: Ring,
    may_use: BTreeSet<String>,
}

/// How far out a crate is. Each uses its own ring and those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ring {
    /// Values only: no I/O, no clock, no environment.
    Values,
    /// Talks to registries and the API server.
    Edge,
    /// The binary.
    Binary,
    /// For those who build and test; nothing that ships uses it.
    Dev,
}

/// Checks the workspace.
///
/// # Errors
///
/// The table cannot be read, cargo fails, or something does not hold; then each finding is a line that names crate
/// and place.
pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document =
        fs::read_to_string(root.join(DOCUMENT)).with_context(|| format!("failed to read {DOCUMENT}"))?;
    let table = parse(&document)?;
    let metadata: Value =
        serde_json::from_str(&cargo(&root, &["metadata", "--format-version", "1", "--no-deps", "--locked"])?)
            .context("failed to read what cargo metadata says")?;
    let members = members(&metadata)?;

    let graph = members.iter().map(|member| (member.name.clone(), member.uses.clone())).collect();
    let mut findings = compare(&table, &graph);
    for member in members.iter().filter(|member| table.ring(&member.name) == Some(Ring::Values)) {
        findings.extend(impurities(member)?);
    }
    let tree =
        cargo(&root, &["tree", "--locked", "--workspace", "--edges", "normal,build", "--prefix", "none"])?;
    findings.extend(banned(&tree));
    ensure!(findings.is_empty(), "the crates are not as {DOCUMENT} says:\n{}", findings.join("\n"));
    Ok(())
}

/// Compares the table with who really uses whom. Returns one line per difference, none where they agree.
fn compare(table: &Table, graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, uses) in graph {
        let Some(row) = table.row(name) else {
            findings.push(format!("{DOCUMENT}:{}: {name} is in the workspace and has no row", table.line));
            continue;
        };
        let mut find = |text: String| findings.push(format!("{DOCUMENT}:{}: {name} {text}", row.line));
        for extra in uses.difference(&row.may_use) {
            find(format!("uses {extra}, which its row does not allow"));
        }
        for unused in row.may_use.difference(uses) {
            find(format!("may use {unused} and does not"));
        }
        for used in uses {
            if table.ring(used).is_some_and(|ring| ring > row.ring) {
                find(format!("uses {used}, which is in an outer ring"));
            }
        }
    }
    for row in &table.rows {
        if !graph.contains_key(&row.name) {
            findings.push(format!("{DOCUMENT}:{}: {} is not in the workspace", row.line, row.name));
        }
        if table.row(&row.name).is_some_and(|first| first.line != row.line) {
            findings.push(format!("{DOCUMENT}:{}: {} has two rows", row.line, row.name));
        }
    }
    findings
}

impl Table {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    fn ring(&self, name: &str) -> Option<Ring> {
        self.row(name).map(|row| row.ring)
    }
}

/// Reads the table out of the document. Names may stand in backticks; a dash in the last cell means none.
fn parse(document: &str) -> Result<Table> {
    let lines = || document.lines().enumerate().map(|(index, line)| (index + 1, line));
    let Some((line, _)) = lines().find(|(_, line)| cells(line) == HEADER) else {
        bail!("{DOCUMENT} has no table with the header | {} |", HEADER.join(" | "));
    };
    // The line after the header is Markdown's rule.
    let rows = lines()
        .skip(line + 1)
        .take_while(|(_, line)| line.starts_with('|'))
        .map(|(line, text)| row(line, text))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!rows.is_empty(), "{DOCUMENT}:{line}: the table of crates is empty");
    Ok(Table { line, rows })
}

fn row(line: usize, text: &str) -> Result<Row> {
    let cells = cells(text);
    let [name, ring, may_use] = cells.as_slice() else {
        bail!("{DOCUMENT}:{line}: expected {} cells, found {}", HEADER.len(), cells.len());
    };
    let ring = match *ring {
        "0" => Ring::Values,
        "1" => Ring::Edge,
        "2" => Ring::Binary,
        "dev" => Ring::Dev,
        other => bail!("{DOCUMENT}:{line}: {name} has the ring {other:?}, expected 0, 1, 2 or dev"),
    };
    let may_use = may_use
        .split(|c: char| c == ',' || c.is_whitespace())
        .map(|name| name.trim_matches('`'))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(str::to_owned)
        .collect();
    Ok(Row { line, name: (*name).to_owned(), ring, may_use })
}

/// The cells of a line of a table; none for any other line.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|'));
    inner
        .map(|inner| inner.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .unwrap_or_default()
}

/// A crate of the workspace.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    /// Without our prefix.
    name: String,
    folder: PathBuf,
    /// The other members that it is built with, those of its tests left out.
    uses: BTreeSet<String>,
}

/// The members in what `cargo metadata --no-deps` prints.
fn members(metadata: &Value) -> Result<Vec<Member>> {
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().context("a package without a name")?;
            let manifest =
                package["manifest_path"].as_str().with_context(|| format!("{name} has no manifest"))?;
            let uses = package["dependencies"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dependency| dependency["path"].is_string() && dependency["kind"] != "dev")
                .filter_map(|dependency| dependency["name"].as_str())
                .map(short)
                .collect();
            let folder = Path::new(manifest).parent().unwrap_or(Path::new("")).to_owned();
            Ok(Member { name: short(name), folder, uses })
        })
        .collect()
}

fn short(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_owned()
}

/// Every mention of the outside world in a member's sources.
fn impurities(member: &Member) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut folders = vec![member.folder.join("src")];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            // By our convention, tests that are not inside a file live in `tests.rs` or `tests/`.
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                let place = path.strip_prefix(&member.folder).unwrap_or(&path).display();
                findings.extend(mentions(&text).into_iter().map(|(line, what)| {
                    format!("{} {place}:{line}: ring 0 must not mention {what}", member.name)
                }));
            }
        }
    }
    findings.sort();
    Ok(findings)
}

/// The lines that mention something forbidden, with the first such thing; lines of comments and items behind
/// `#[cfg(test)]` are left out. Relies on the indentation that rustfmt gives.
fn mentions(source: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    // The indentation of the `#[cfg(test)]` that we are behind.
    let mut test: Option<usize> = None;
    for (index, line) in source.lines().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if let Some(outer) = test {
            // The item ends with the first line of its own indentation that opens nothing.
            let opens = code.ends_with(['{', '(']) && !code.starts_with('}');
            if indent == outer && !opens && !code.is_empty() && !code.starts_with('#') {
                test = None;
            }
            continue;
        }
        if code.starts_with("#[cfg(test)]") {
            test = Some(indent);
            continue;
        }
        if code.starts_with("//") {
            continue;
        }
        found.extend(FORBIDDEN.into_iter().find(|what| mentioned(code, what)).map(|what| (index + 1, what)));
    }
    found
}

/// Whether `what` stands in `code`, and not as the end of a longer name.
fn mentioned(code: &str, what: &str) -> bool {
    code.match_indices(what)
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

/// The banned crates in what `cargo tree --prefix none` prints.
fn banned(tree: &str) -> Vec<String> {
    let packages: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    BANNED
        .into_iter()
        .filter(|name| packages.contains(name))
        .map(|name| {
            format!("{name} is built, and is banned: cargo tree --workspace --invert {name} says for whom")
        })
        .collect()
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String> {
    // Set by `cargo run`, so that we ask the same toolchain.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = format!("cargo {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("failed to run {command}"))?;
    ensure!(output.status.success(), "{command} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).with_context(|| format!("{command} printed no text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SAMPLE: &str = "\
# Title

| crate | ring | may use |
|---|---|---|
| `app` | 2 | `engine`, `core` |
| `engine` | 1 | `core` |
| `core` | 0 | - |
| `xtask` | dev | `core` |

| crate | other |
";

    fn table() -> Table {
        parse(SAMPLE).unwrap()
    }

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        edges
            .iter()
            .map(|(name, uses)| ((*name).to_owned(), uses.iter().map(|used| (*used).to_owned()).collect()))
            .collect()
    }

    fn as_listed() -> Vec<(&'static str, &'static [&'static str])> {
        vec![("app", &["core", "engine"]), ("engine", &["core"]), ("core", &[]), ("xtask", &["core"])]
    }

    #[test]
    fn the_table_is_read_up_to_its_end_with_its_line_numbers() {
        let table = table();
        assert_eq!(table.line, 3);
        let rows: Vec<_> = table.rows.iter().map(|row| (row.line, row.name.as_str(), row.ring)).collect();
        assert_eq!(
            rows,
            [
                (5, "app", Ring::Binary),
                (6, "engine", Ring::Edge),
                (7, "core", Ring::Values),
                (8, "xtask", Ring::Dev)
            ]
        );
        assert!(table.rows[2].may_use.is_empty());
    }

    #[test]
    fn a_table_that_cannot_be_read_says_where() {
        for (document, error) in [
            ("", "has no table"),
            ("| crate | ring | may use |\n|---|---|---|\n", ":1: the table of crates is empty"),
            ("| crate | ring | may use |\n|---|---|---|\n| a | 7 | - |\n", ":3: a has the ring \"7\""),
            ("| crate | ring | may use |\n|---|---|---|\n| a | 0 |\n", ":3: expected 3 cells, found 2"),
        ] {
            let found = parse(document).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
    }

    #[test]
    fn what_is_as_listed_passes() {
        assert_eq!(compare(&table(), &graph(&as_listed())), Vec::<String>::new());
    }

    #[test]
    fn each_difference_names_crate_and_line() {
        let with = |name: &'static str, uses: &'static [&'static str]| {
            let mut edges = as_listed();
            edges.retain(|(other, _)| *other != name);
            edges.push((name, uses));
            compare(&table(), &graph(&edges))
        };
        assert_eq!(
            with("xtask", &["core", "engine"]),
            ["ARCHITECTURE.md:8: xtask uses engine, which its row does not allow"]
        );
        assert_eq!(with("app", &["engine"]), ["ARCHITECTURE.md:5: app may use core and does not"]);
        assert_eq!(with("new", &[]), ["ARCHITECTURE.md:3: new is in the workspace and has no row"]);
        assert_eq!(
            with("core", &["engine"]),
            [
                "ARCHITECTURE.md:7: core uses engine, which its row does not allow",
                "ARCHITECTURE.md:7: core uses engine, which is in an outer ring",
            ]
        );
        let mut fewer = as_listed();
        fewer.retain(|(name, _)| *name != "xtask");
        assert_eq!(compare(&table(), &graph(&fewer)), ["ARCHITECTURE.md:8: xtask is not in the workspace"]);
    }

    #[test]
    fn an_outer_ring_is_refused_although_the_row_allows_it() {
        let table =
            parse("| crate | ring | may use |\n|---|---|---|\n| a | 1 | `b` |\n| b | dev | - |\n").unwrap();
        assert_eq!(
            compare(&table, &graph(&[("a", &["b"]), ("b", &[])])),
            ["ARCHITECTURE.md:3: a uses b, which is in an outer ring"]
        );
    }

    #[test]
    fn a_crate_has_one_row() {
        let table =
            parse("| crate | ring | may use |\n|---|---|---|\n| a | 0 | - |\n| a | 0 | - |\n").unwrap();
        assert_eq!(compare(&table, &graph(&[("a", &[])])), ["ARCHITECTURE.md:4: a has two rows"]);
    }

    #[test]
    fn dependencies_of_tests_and_of_others_do_not_count() {
        let metadata = json!({"packages": [{
            "name": "trustwright-engine", "manifest_path": "/w/crates/engine/Cargo.toml", "dependencies": [
                {"name": "trustwright-core", "kind": null, "path": "/w/crates/core"},
                {"name": "trustwright-api", "kind": "build", "path": "/w/crates/api"},
                {"name": "trustwright-testkit", "kind": "dev", "path": "/w/crates/testkit"},
                {"name": "serde", "kind": null},
            ],
        }]});
        let expected = Member {
            name: "engine".into(),
            folder: "/w/crates/engine".into(),
            uses: ["api", "core"].map(str::to_owned).into(),
        };
        assert_eq!(members(&metadata).unwrap(), [expected]);
    }

    #[test]
    fn the_outside_world_is_found_in_code_and_not_in_comments_or_tests() {
        let source = "\
//! Never calls std::env::var.
use std::{env, time::Instant};

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod inner {
    fn f() {
        std::fs::read(\"x\");
    }
}

#[cfg(test)]
use std::{
    fs::File,
};

#[cfg(test)]
mod tests;

fn after(offs: u8) -> u8 {
    let _ = env::var(\"X\");
    offs::get(offs) // SystemTime::now in a comment behind code counts
}
";
        assert_eq!(mentions(source), [(5, "Instant::now"), (24, "env::"), (25, "SystemTime::now")]);
    }

    #[test]
    fn a_banned_crate_is_found_by_its_whole_name() {
        assert_eq!(banned("rustls v0.23.0\nstring-ring v1.0.0\nring-like v1.0.0\n"), Vec::<String>::new());
        assert_eq!(banned("rustls v0.23.0\nring v0.17.14 (*)\n").len(), 1);
    }

    #[test]
    fn the_ban_is_the_one_of_cargo_deny() {
        let deny = include_str!("../../deny.toml");
        for name in BANNED {
            assert!(deny.contains(&format!("crate = \"{name}\"")), "{name}");
        }
    }
}
