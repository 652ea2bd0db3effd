//! The generated code of a serializer: data and one-line calls. The runtime has the logic.

mod conversion;
mod declaration;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Generics, spanned::Spanned};

use self::{conversion::expand_conversion, declaration::expand_subscribable};
use crate::{ast::Serializer, hooks};

/// Generates the conversion, the declaration and the hooks of a serializer.
pub(crate) fn expand_serializer(serializer: &Serializer) -> TokenStream {
    let conversion = serializer.from_model.then(|| expand_conversion(serializer));
    let subscribable = expand_subscribable(serializer);
    let hooks = if serializer.hooks {
        expand_model_hooks(serializer)
    } else {
        expand_assertion(serializer)
    };
    quote!(#conversion #subscribable #hooks)
}

/// Generates the conversion and the hooks of a serializer that has a mistake. Without them, each
/// use of the conversion and of the entity would be another error.
pub(crate) fn expand_stand_in(serializer: &Serializer, generics: &Generics) -> TokenStream {
    let Serializer {
        ident,
        entity,
        krate,
        ..
    } = serializer;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let conversion = serializer.from_model.then(|| {
        quote! {
            #[automatically_derived]
            impl #parameters ::core::convert::From<&<#entity as #krate::__private::sea_orm::EntityTrait>::Model> for #ident #arguments #bounds {
                fn from(_: &<#entity as #krate::__private::sea_orm::EntityTrait>::Model) -> Self {
                    ::core::unreachable!()
                }
            }
        }
    });
    let hooks = serializer.hooks.then(|| expand_model_hooks(serializer));
    quote!(#conversion #hooks)
}

/// Generates the `ActiveModelBehavior` of the entity. It has the span of the attribute, because
/// the compiler shows that place if there is a second implementation.
fn expand_model_hooks(Serializer { entity, krate, .. }: &Serializer) -> TokenStream {
    let active_model = quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::ActiveModel);
    let hooks = hooks::expand_hooks(krate, &[]);
    quote! {
        #[automatically_derived]
        #[#krate::__private::async_trait]
        impl #krate::__private::sea_orm::ActiveModelBehavior for #active_model {
            #hooks
        }
        #[automatically_derived]
        impl #krate::__private::LiveModel for #active_model {}
    }
}

/// Generates a check that the entity has live hooks, with the span of the entity.
fn expand_assertion(Serializer { entity, krate, .. }: &Serializer) -> TokenStream {
    quote_spanned!(entity.span()=> const _: () = #krate::__private::assert_live::<#entity>();)
}
