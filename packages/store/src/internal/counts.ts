/** Adds counts, each to the count with the same name. */
export const add = <Counts extends { readonly [Name in keyof Counts]: number }>(
  counts: Counts,
  more: Partial<Counts>
): Counts => {
  const sums: { [Name in keyof Counts]: number } = { ...counts }
  for (const name in more) sums[name] += more[name] ?? 0
  return sums as Counts
}
