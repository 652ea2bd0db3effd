//! The names of the arguments, and what a misspelt one was meant to be.

use syn::Meta;

use crate::column::is_column;

const ARGUMENTS: [&str; 11] = [
    "group_key",
    "authorize",
    "public",
    "entity",
    "model",
    "check_permission",
    "rank",
    "secret",
    "hooks",
    "from_model",
    "crate",
];

pub(super) fn unknown_argument(meta: &Meta, name: &str) -> syn::Error {
    let message = match (nearest_argument(name), meta) {
        (Some(near), _) => format!("unknown argument `{name}`: did you mean `{near}`?"),
        (None, Meta::Path(_)) if is_column(name) => {
            format!("unknown argument `{name}`: for a column, write `group_key = \"{name}\"`")
        }
        (None, _) => format!(
            "unknown argument `{name}`: there are {}",
            ARGUMENTS.map(|a| format!("`{a}`")).join(", ")
        ),
    };
    syn::Error::new_spanned(meta.path(), message)
}

/// Returns the argument that a misspelt name is nearest to, if any is near.
pub(super) fn nearest_argument(name: &str) -> Option<&'static str> {
    let distance = |argument: &&str| edit_distance(name, argument);
    ARGUMENTS
        .into_iter()
        .min_by_key(distance)
        .filter(|best| distance(best) <= 1 + name.len() / 4)
}

/// Levenshtein distance, one row of the table at a time.
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
    fn a_misspelt_argument_finds_its_near_one() {
        for (written, meant) in [
            ("group", None),
            ("groupkey", Some("group_key")),
            ("check_permissions", Some("check_permission")),
            ("autorize", Some("authorize")),
            ("modell", Some("model")),
            ("colour", None),
        ] {
            assert_eq!(nearest_argument(written), meant, "{written}");
        }
    }
}
