//! The path of the `rest-live` crate in generated code.

use syn::Path;

/// Returns `::rest_live`, the path without the argument `crate = path`.
pub(crate) fn default_crate() -> Path {
    syn::parse_quote!(::rest_live)
}
