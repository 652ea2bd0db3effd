//! The text of tokens, for error messages and comparisons.

use quote::ToTokens;

/// Returns tokens as they would be written.
pub(crate) fn to_text(tokens: &impl ToTokens) -> String {
    tokens
        .to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(":: ", "::")
}
