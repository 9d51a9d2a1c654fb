import { getDomain } from "tldts"

/**
 * Domains that give a host name to any customer, and that are not in the public-suffix list. Hosts below such a domain
 * belong to different tenants, however many labels they share.
 */
const tenantSuffixes: ReadonlyArray<string> = [
  // Registries with a host for each customer.
  "azurecr.io",
  "azurecr.cn",
  "azurecr.us",
  "pkg.dev",
  "jfrog.io",
  "tencentcloudcr.com",
  "container-registry.com",
  "amazonaws.com",
  "amazonaws.com.cn",
  // Machines and applications in a cloud.
  "on.aws",
  "cloudapp.azure.com",
  "azurecontainer.io",
  "azurecontainerapps.io",
  "googleusercontent.com",
  "myhuaweicloud.com",
  "appdomain.cloud",
  "openshiftapps.com",
  "scw.cloud",
  "github.dev",
  "gitpod.io",
  "your-server.de",
  // Names that resolve to any address.
  "nip.io",
  "sslip.io",
  "xip.io",
  "traefik.me",
  "localtest.me",
  "lvh.me",
  // Names within a cluster or the network of a cloud.
  "cluster.local",
  "ec2.internal",
  "compute.internal"
]

const isBelow = (host: string, suffix: string): boolean => host === suffix || host.endsWith(`.${suffix}`)

/**
 * Returns the domain whose hosts all belong to one owner. Returns `undefined` for an IP address, and for a name without
 * a domain.
 */
export const tenantDomain = (host: string): string | undefined => {
  const domain = getDomain(host, { allowPrivateDomains: true })
  if (domain === null) return undefined
  return tenantSuffixes.some((suffix) => isBelow(host, suffix)) ? host : domain
}
