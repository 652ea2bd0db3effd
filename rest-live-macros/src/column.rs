//! The name of a column: a field of the model, and the variant that SeaORM makes of it.

use heck::ToUpperCamelCase;
use syn::{Ident, LitStr, ext::IdentExt, parse::Parser};

/// Returns the variant of a column that SeaORM derives from the name of its field.
pub(crate) fn variant(name: &LitStr) -> Ident {
    Ident::new(&name.value().to_upper_camel_case(), name.span())
}

/// Returns whether a field can have this name, and its column the one that SeaORM makes of it.
pub(crate) fn is_column(name: &str) -> bool {
    let is_ident = |name: &str| Ident::parse_any.parse_str(name).is_ok();
    is_ident(name) && !name.starts_with("r#") && is_ident(&name.to_upper_camel_case())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_what_a_field_can_be_called() {
        for name in ["id", "list_id", "type", "größe", "line2"] {
            assert!(is_column(name), "{name}");
        }
        // The last two have no variant: heck leaves nothing of `_`, and a digit of `_1`.
        for name in [
            "", "list id", "list-id", "task.id", "1st", "r#type", "_", "_1",
        ] {
            assert!(!is_column(name), "{name}");
        }
    }
}
