import * as fc from "fast-check"

type RequiredKey<T> = { readonly [K in keyof T]-?: undefined extends T[K] ? never : K }[keyof T]

type OptionalKey<T> = Exclude<keyof T, RequiredKey<T>>

/** An arbitrary for each required field. A missing one does not compile. */
export type Required<T> = { readonly [K in RequiredKey<T>]: fc.Arbitrary<T[K]> }

/** An arbitrary for each optional field. */
export type Optional<T> = { readonly [K in OptionalKey<T>]-?: fc.Arbitrary<Exclude<T[K], undefined>> }

/** Generates records. Each optional field is usually present, sometimes `undefined`, and sometimes absent. */
export const record = <T extends object>(required: Required<T>, optional: Optional<T>): fc.Arbitrary<T> => {
  const given: { [key: string]: fc.Arbitrary<unknown> } = { ...required }
  for (const [key, value] of Object.entries<fc.Arbitrary<unknown>>(optional)) {
    given[key] = fc.option(value, { freq: 4, nil: undefined })
  }
  return fc.record(given, { requiredKeys: Object.keys(required) }) as fc.Arbitrary<object> as fc.Arbitrary<T>
}
