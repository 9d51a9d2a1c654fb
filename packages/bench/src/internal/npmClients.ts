import { createRequire } from "node:module"

/** The clients from npm, and what each of them can do. */
const jobs = {
  "oci-registry-client": ["push", "pull"],
  "@snyk/docker-registry-v2-client": ["pull"],
  "@sigstore/oci": ["attach"]
} as const

/** The name of a package on npm with a client for registries. */
export type NpmClient = keyof typeof jobs

/** A transfer that clients are compared by. */
export type Job = typeof jobs[NpmClient][number]

const { resolve } = createRequire(import.meta.url)

const isInstalled = (name: NpmClient): boolean => {
  try {
    resolve(name)
    return true
  } catch {
    return false
  }
}

/** Returns the clients that are installed. Prints the names of those that are missing. */
export const installed = (): ReadonlyArray<NpmClient> => {
  const all = Object.keys(jobs) as ReadonlyArray<NpmClient>
  const found = all.filter(isInstalled)
  if (found.length < all.length) {
    const missing = all.filter((name) => !found.includes(name)).join(" ")
    process.stderr.write(
      `Left out, because these packages are missing: ${missing}. npm install --no-save --ignore-scripts ${missing}\n`
    )
  }
  return found
}

/** Returns whether a client can do a job. */
export const can = (name: NpmClient, job: Job): boolean => (jobs[name] as ReadonlyArray<Job>).includes(job)
