//! The path of the `rest-live` crate in generated code.

use syn::Path;

/// `::rest_live`.
pub(crate) fn default_crate() -> Path {
    syn::parse_quote!(::rest_live)
}
