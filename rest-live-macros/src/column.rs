//! The name of a column: its field in the model, and the variant that SeaORM derives from it.

use heck::ToUpperCamelCase;
use syn::{Ident, LitStr, ext::IdentExt, parse::Parser};

/// Returns the variant of SeaORM's `Column` enum for the field `name`, with the span of `name`.
pub(crate) fn variant(name: &LitStr) -> Ident {
    Ident::new(&name.value().to_upper_camel_case(), name.span())
}

/// Returns the field of the model with the name `name`, with its span.
pub(crate) fn field(name: &LitStr) -> Ident {
    let text = name.value();
    if syn::parse_str::<Ident>(&text).is_ok() {
        Ident::new(&text, name.span())
    } else {
        Ident::new_raw(&text, name.span())
    }
}

/// Returns whether `name` is valid for a field, and SeaORM's variant for it is also an identifier.
pub(crate) fn is_column(name: &str) -> bool {
    let is_ident = |name: &str| Ident::parse_any.parse_str(name).is_ok();
    is_ident(name) && !name.starts_with("r#") && is_ident(&name.to_upper_camel_case())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_field_or_variant_are_rejected() {
        for name in ["id", "list_id", "type", "größe", "line2"] {
            assert!(is_column(name), "{name}");
        }
        // The last two have no variant: heck turns `_` into an empty string and `_1` into `1`.
        for name in [
            "", "list id", "list-id", "task.id", "1st", "r#type", "_", "_1",
        ] {
            assert!(!is_column(name), "{name}");
        }
    }
}
