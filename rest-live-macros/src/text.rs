//! The text of tokens, for error messages and comparisons.

use quote::ToTokens;

/// Returns the text of tokens, without the spaces that `to_string` puts around `::`.
pub(crate) fn to_text(tokens: &impl ToTokens) -> String {
    tokens
        .to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(":: ", "::")
}
