//! Checks of texts that no compiler checks: the width of comments, and the names of tests in
//! documents.

use std::fs;
use std::process::Command;

/// Maximum width of a comment line in Rust sources. rustfmt's own `comment_width` needs a nightly
/// toolchain.
const MAX_COMMENT_WIDTH: usize = 100;

/// The documents that name tests as the proof of their sentences.
const DOCUMENTS: [&str; 2] = ["protocol/README.md", "SECURITY.md"];

/// Returns an error that lists every wide comment, and every reference to a test that does not
/// exist.
pub(crate) fn check() -> Result<(), String> {
    let sources = sources()?;
    let mut faults = Vec::new();
    for source in &sources {
        faults.extend(wide_comments(source));
    }
    for path in DOCUMENTS {
        let text = read(path)?;
        let references = references(&text);
        if references.is_empty() {
            faults.push(format!("{path}: no reference to a test was found"));
        }
        let missing = references.iter().filter(|r| !exists(r, &sources));
        faults.extend(missing.map(|r| format!("{path}: there is no test `{r}`")));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("texts to correct:\n{}", faults.join("\n")))
}

/// A Rust source file of the repository.
struct Source {
    path: String,
    text: String,
}

fn sources() -> Result<Vec<Source>, String> {
    let output = Command::new("git").args(["ls-files", "*.rs"]).output();
    let output = output.map_err(|e| format!("cannot run git ls-files: {e}"))?;
    let paths = String::from_utf8_lossy(&output.stdout);
    let sources = paths.lines().map(|path| {
        Ok(Source {
            path: path.to_owned(),
            text: read(path)?,
        })
    });
    let sources = sources.collect::<Result<Vec<_>, String>>()?;
    if sources.is_empty() {
        return Err("git ls-files lists no Rust sources".to_owned());
    }
    Ok(sources)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"))
}

/// Returns a message for each comment line that is too wide. A line that is only a URL cannot be
/// wrapped.
fn wide_comments(source: &Source) -> Vec<String> {
    let is_wide = |line: &str| {
        let comment = line.trim_start();
        comment.starts_with("//")
            && line.chars().count() > MAX_COMMENT_WIDTH
            && comment.split_whitespace().count() > 2
    };
    let lines = source.text.lines().enumerate();
    let wide = lines.filter(|(_, line)| is_wide(line));
    wide.map(|(number, _)| {
        let (path, number) = (&source.path, number + 1);
        format!("{path}:{number}: a comment is wider than {MAX_COMMENT_WIDTH} columns")
    })
    .collect()
}

/// Returns the test paths between backticks: `module::test_name`. `…` stands for any characters.
fn references(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:…".contains(c);
    quoted
        .filter(|quoted| quoted.contains("::") && quoted.chars().all(is_path))
        .map(str::to_owned)
        .collect()
}

/// Returns whether a source has the modules of a reference in its path, in order, and its test.
fn exists(reference: &str, sources: &[Source]) -> bool {
    let mut modules: Vec<_> = reference.split("::").collect();
    let name = modules.pop().unwrap_or_default();
    sources.iter().any(|source| {
        let path = source.path.trim_end_matches(".rs");
        let mut folders = path.split('/');
        let in_modules = modules
            .iter()
            .filter(|module| **module != "…")
            .all(|module| folders.any(|folder| folder == *module));
        in_modules && functions(&source.text).any(|function| matches(name, function))
    })
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("fn ").skip(1);
    after.filter_map(|after| after.split(['(', '<']).next())
}

/// Returns whether a name matches a pattern, in which `…` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('…') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|name| (0..=name.len()).any(|skip| matches(rest, &name[skip..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn wide_comments_are_listed() {
        let wide = format!("/// two words {}", "x".repeat(MAX_COMMENT_WIDTH));
        let url = format!("// https://{}", "x".repeat(MAX_COMMENT_WIDTH));
        let code = "x".repeat(MAX_COMMENT_WIDTH + 1);
        let text = format!("{url}\n{code}\n    // short\n{wide}\n");
        let faults = wide_comments(&source("a.rs", &text));
        assert_eq!(faults, ["a.rs:4: a comment is wider than 100 columns"]);
    }

    #[test]
    fn references_are_the_quoted_paths_of_tests() {
        let text = "| `v1::a_b` and `slow::…` | `Live::db` `plain` `{\"pk\":1}` | `it`: `x::y_2` |";
        assert_eq!(references(text), ["v1::a_b", "slow::…", "x::y_2"]);
    }

    #[test]
    fn reference_must_name_a_function_of_its_module() {
        let sources = [source(
            "tests/it/protocol/v1.rs",
            "async fn pings_come() {}",
        )];
        for known in [
            "v1::pings_come",
            "protocol::…",
            "v1::pings_…",
            "protocol::v1::…_come",
        ] {
            assert!(exists(known, &sources), "{known}");
        }
        for unknown in [
            "v1::pings",
            "v2::pings_come",
            "v1::protocol::pings_come",
            "v1::ping…x",
        ] {
            assert!(!exists(unknown, &sources), "{unknown}");
        }
    }
}
