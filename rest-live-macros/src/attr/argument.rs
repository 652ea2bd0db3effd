//! The syntax of one argument: `name`, or `name = value`.

use proc_macro2::TokenTree;
use syn::{Lit, Meta, Path, Token, parse::ParseStream};

use crate::text::to_text;

/// Parses `name` or `name = value`. A literal without a name is an error that suggests
/// `group_key`.
pub(super) fn parse_argument(input: ParseStream<'_>) -> syn::Result<Meta> {
    if input.peek(Lit) {
        let literal: Lit = input.parse()?;
        let key = match &literal {
            Lit::Str(key) => to_text(key),
            _ => r#""list_id""#.to_owned(),
        };
        return Err(syn::Error::new_spanned(
            &literal,
            format!("arguments have names: write `group_key = {key}`"),
        ));
    }
    let name = input.fork().call(Path::parse_mod_style)?;
    let meta: syn::Result<Meta> = input.parse();
    meta.map_err(|error| {
        if input.is_empty() || input.peek(Token![,]) {
            // syn reports an unexpected end of input without a place in the source.
            syn::Error::new_spanned(
                &name,
                format!(
                    "write a value after `{} =`, or remove the argument",
                    to_text(&name)
                ),
            )
        } else {
            error
        }
    })
}

/// Skips the rest of a wrong argument, up to the next comma.
pub(super) fn skip_argument(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
