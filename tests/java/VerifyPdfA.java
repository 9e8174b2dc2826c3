// Checks PDF/A with veraPDF: VerifyPdfA FLAVOUR FILE…  (3b).  Says what fails; exits 0 when every file is compliant.
import java.io.FileInputStream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;

public class VerifyPdfA {
    public static void main(String[] arguments) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        var flavour = PDFAFlavour.fromString(arguments[0]);
        var compliant = true;
        for (int n = 1; n < arguments.length; n++) {
            try (var parser = Foundries.defaultInstance().createParser(new FileInputStream(arguments[n]), flavour)) {
                var validator = Foundries.defaultInstance().createValidator(flavour, 50, false, true, false);
                var result = validator.validate(parser);
                for (TestAssertion failed : result.getTestAssertions()) {
                    System.out.println(failed.getRuleId().getClause() + " " + failed.getMessage() + " "
                        + failed.getLocation().getContext());
                }
                System.out.println(arguments[n] + " " + (result.isCompliant() ? "ok" : "NOT COMPLIANT"));
                compliant &= result.isCompliant();
            }
        }
        System.exit(compliant ? 0 : 1);
    }
}
