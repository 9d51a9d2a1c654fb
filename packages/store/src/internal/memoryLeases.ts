import * as Duration from "effect/Duration"

/** Content with a lease: it is kept until `leasedUntil`, although nothing may refer to it. */
export interface Leased {
  leasedUntil: number
}

/** Extends the lease of content that is pushed. */
export const extend = (leased: Leased, now: number, keep: Duration.Duration): void => {
  leased.leasedUntil = Math.max(leased.leasedUntil, now + Duration.toMillis(keep))
}

/** Renews the lease of content that a caller may refer to, if less than half of the lease is left. */
export const renew = (leased: Leased, now: number, keep: Duration.Duration): void => {
  if (leased.leasedUntil - now < Duration.toMillis(keep) / 2) extend(leased, now, keep)
}
