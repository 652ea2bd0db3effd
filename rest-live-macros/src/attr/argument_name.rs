//! The names of the arguments, and suggestions for misspelled ones.

use syn::Meta;

use crate::column::is_column;

const ARGUMENTS: [&str; 14] = [
    "all",
    "group_key",
    "column",
    "authorize",
    "public",
    "entity",
    "model",
    "check_permission",
    "filter",
    "rank",
    "secret",
    "hooks",
    "from_model",
    "crate",
];

/// Returns the error for an unknown argument, with the most likely correction.
pub(super) fn unknown_argument(meta: &Meta, name: &str) -> syn::Error {
    let message = match (nearest_argument(name), meta) {
        (Some(near), _) => format!("unknown argument `{name}`: did you mean `{near}`?"),
        (None, Meta::Path(_)) if is_column(name) => {
            format!("unknown argument `{name}`: for a column, write `group_key = \"{name}\"`")
        }
        (None, _) => format!(
            "unknown argument `{name}`: expected one of {}",
            ARGUMENTS.map(|a| format!("`{a}`")).join(", ")
        ),
    };
    syn::Error::new_spanned(meta.path(), message)
}

/// Returns the argument that is most similar to a misspelled name, if one is similar enough.
pub(super) fn nearest_argument(name: &str) -> Option<&'static str> {
    let distance = |argument: &&str| edit_distance(name, argument);
    ARGUMENTS
        .into_iter()
        .min_by_key(distance)
        .filter(|best| distance(best) <= 1 + name.len() / 4)
}

/// Returns the Levenshtein distance. Keeps one row of the table at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_argument_finds_the_nearest() {
        for (written, intended) in [
            ("group", None),
            ("groupkey", Some("group_key")),
            ("check_permissions", Some("check_permission")),
            ("autorize", Some("authorize")),
            ("filtr", Some("filter")),
            ("modell", Some("model")),
            ("colour", None),
        ] {
            assert_eq!(nearest_argument(written), intended, "{written}");
        }
    }
}
